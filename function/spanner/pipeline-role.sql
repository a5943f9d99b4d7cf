-- Lets the pipeline's workers read the change stream, and nothing else. They read as this role (spannerDatabaseRole of the template).
-- Google's emulator does not support roles, so this file has not been run there.
CREATE ROLE booking_status_pipeline;
GRANT SELECT ON CHANGE STREAM BookingsTableStatusStream TO ROLE booking_status_pipeline;
GRANT EXECUTE ON TABLE FUNCTION READ_BookingsTableStatusStream TO ROLE booking_status_pipeline;
