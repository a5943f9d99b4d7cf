-- Watches one column. An update that does not touch Status gives no record; an insert and a delete always give one.
--
-- retention_period is how far back a pipeline can start after it stood still; Spanner's default is a day, seven days are the most. The function itself
-- does not read the stream.
--
-- value_capture_type is left at its default, OLD_AND_NEW_VALUES, and should stay there: the function compares what a ticket shows with the status before the
-- change, and where the records leave that out it can fill empty fields and follow its own versions, but not take over a status it did not write.
--
-- Where rows are deleted by a time to live (ROW DELETION POLICY), exclude_ttl_deletes = true keeps those deletes out of the stream: the tickets of old
-- bookings then keep their last status, instead of being cleared, and no budget of Zendesk's is spent on them.
CREATE CHANGE STREAM BookingsTableStatusStream FOR Bookings(Status)
OPTIONS (retention_period = '7d', exclude_ttl_deletes = true);
