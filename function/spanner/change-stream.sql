-- Watches one column. An update that does not touch Status gives no record; an insert and a delete always give one.
CREATE CHANGE STREAM BookingsTableStatusStream FOR Bookings(Status);
