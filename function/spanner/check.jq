# Compares the rows of check.sql with the settings. Each line of the result begins with wrong, note or
# ignored.
#
# Source: Spanner, "Information schema": without value_capture_type it is OLD_AND_NEW_VALUES, without
# retention_period a day.
[.rows[]? | {kind: .[0], name: .[1], value: .[2]}] as $rows
| def has($kind; $name): any($rows[]; .kind == $kind and .name == $name);
  def option($name; $default): [$rows[] | select(.kind == "option" and .name == $name) | .value][0] // $default;
  def all: any($rows[]; (.kind == "stream" or (.kind == "table" and .name == $table)) and (.value | ascii_downcase) == "true");
if all($rows[]; .kind != "column") then "wrong the database has no table \($table) (BOOKING_TABLE)" else
  ($id, $status | select(has("column"; .) | not) | "wrong the table \($table) has no column \(.)") end,
if all($rows[]; .kind != "stream") then "wrong the database has no change stream \($stream) (CHANGE_STREAM)"
elif (has("table"; $table) or all) | not then
  "wrong the change stream does not watch \($table), but \([$rows[] | select(.kind == "table") | .name] | join(", "))"
elif (has("watched"; $status) or all) | not then "wrong the change stream does not watch the column \($status) of \($table)"
else empty end,
if all($rows[]; .kind != "stream") then empty else
(option("value_capture_type"; "OLD_AND_NEW_VALUES") | select(. == "NEW_VALUES" or . == "NEW_ROW") |
  "note value_capture_type is \(.): statuses that people set are not taken over, see function/spanner/change-stream.sql"),
(option("retention_period"; "1d") | select(. != "7d") |
  "note retention_period is \(.): a pipeline stopped for longer than that loses changes") end,
if any($rows[]; .kind == "stream" and (.value | ascii_downcase) == "true") then "ignored *"
else "ignored \([$rows[] | select(.kind == "table" and .name != $table) | .name] | join(","))" end
