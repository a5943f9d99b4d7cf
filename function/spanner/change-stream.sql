-- Watches one column. An update that does not touch Status gives no record; an insert and a delete always give one.
--
-- retention_period is how far back a pipeline can start after it stood still. It is written out because Spanner's documentation has given different
-- defaults over the years, a day and seven days. The function itself does not read the stream.
--
-- value_capture_type is left at its default, OLD_AND_NEW_VALUES, and should stay there: the function compares what a ticket shows with the status before the
-- change. Where the records leave that out it can fill empty fields and follow its own versions, but not take over a status it did not write. And if other
-- columns are watched, too, every change of theirs costs an update of the ticket, for the version: watch Status alone.
--
-- Where rows are deleted by a time to live (ROW DELETION POLICY), exclude_ttl_deletes = true keeps those deletions out of the stream, so that old
-- bookings spend none of Zendesk's budget by day. The nightly sweep finds their unsolved tickets and clears what the function wrote there. That is as
-- it should be: it does not count as "changes were lost".
CREATE CHANGE STREAM BookingsTableStatusStream FOR Bookings(Status)
OPTIONS (retention_period = '7d', exclude_ttl_deletes = true);
