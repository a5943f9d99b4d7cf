-- Watches one column. An update that does not touch Status creates no record; an insert or a delete always creates one.
--
-- retention_period is how far back a pipeline can start after it has stopped. It is explicit because Spanner's documentation has given different
-- defaults over the years, a day and seven days. The function itself does not read the stream.
--
-- value_capture_type is left at its default, OLD_AND_NEW_VALUES, and should stay there: the function compares what a ticket shows with the status before the
-- change. If the records do not have it, the function can fill empty fields and follow its own versions, but not take over a status that it did not write.
-- Watch only Status: every change of another watched column costs an update of the ticket, for the version.
--
-- If rows are deleted by a time to live (ROW DELETION POLICY), exclude_ttl_deletes = true keeps those deletions out of the stream, so that old
-- bookings use none of Zendesk's budget by day. The nightly sweep finds their unsolved tickets and clears what the function wrote there. This is
-- intended, and does not count as "changes were lost".
CREATE CHANGE STREAM BookingsTableStatusStream FOR Bookings(Status)
OPTIONS (retention_period = '7d', exclude_ttl_deletes = true);
