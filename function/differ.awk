# Compares two files of lines path=value: what is deployed, and what is wanted. Prints what differs, and
# variables, channels and conditions that are only deployed. A default may be left out of what is
# deployed.
function tell(path, text) {
  sub(/^\./, "", path)
  if (match(path, /env\[[A-Z_]+\]\.value$/)) path = substr(path, RSTART + 4, RLENGTH - 11)
  print what ": " path " is " text
}
function shown(value) { return value == "" ? "empty" : value }
{ path = $0; sub(/=.*/, "", path); value = substr($0, length(path) + 2) }
NR == FNR { deployed[path] = value; next }
{ wanted[path] = 1; list = path; sub(/\[.*/, "", list); lists[list] = 1 }
path in deployed ? deployed[path] != value : value !~ /^(0|false)?$/ {
  tell(path, (path in deployed ? shown(deployed[path]) : "not set") ", and becomes " shown(value))
}
END {
  for (path in deployed) {
    list = path; sub(/\[.*/, "", list)
    if (path in wanted || !(list in lists)) continue
    if (path ~ /env\[[A-Z_]+\]\.value$|notificationChannels\[|conditions\[[0-9]+\]\.displayName$/) tell(path, shown(deployed[path]) ", and goes away")
  }
}
