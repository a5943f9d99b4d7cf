-- The minimum that a table of bookings needs: a key that tickets can name, and a status.
-- If your table uses other names, set BOOKING_TABLE, BOOKING_ID_COLUMN and BOOKING_STATUS_COLUMN.
CREATE TABLE Bookings (
  ID STRING(36) NOT NULL,
  Status STRING(32),
) PRIMARY KEY (ID);
