-- Lets the sweep read two columns, and nothing else. The function reads as this role (SPANNER_DATABASE_ROLE).
-- Google's emulator does not support roles, so this file has not been run there.
CREATE ROLE booking_status_reader;
GRANT SELECT(ID, Status) ON TABLE Bookings TO ROLE booking_status_reader;
