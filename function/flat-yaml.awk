# Flattens as much of YAML as the manifests use into lines of path=value, as flat.jq does with
# JSON. Items of a list named env are found by their name.
/^ *#/ || /^---/ || !NF { next }
{
  column = match($0, /[^ ]/) - 1
  text = substr($0, column + 1)
  while (text ~ /^- /) {
    while (depth && at[depth] > 2 * column) depth--
    path = depth ? name[depth] : ""
    at[++depth] = 2 * column + 1
    text = substr(text, 3)
    column += 2
    label = text
    sub(/^name: /, "", label)
    name[depth] = path "[" (path ~ /\.env$/ ? label : count[path]++ + 0) "]"
  }
  while (depth && at[depth] >= 2 * column) depth--
  path = depth ? name[depth] : ""
  if (match(text, /^[^ ]+:( |$)/)) {
    key = substr(text, 1, RLENGTH)
    sub(/: ?$/, "", key)
    text = substr(text, RLENGTH + 1)
    path = path "." key
  }
  if (text == "") { at[++depth] = 2 * column; name[depth] = path; count[path] = 0; next }
  if (text ~ /^".*"$/) { text = substr(text, 2, length(text) - 2); gsub(/\\"/, "\"", text); gsub(/\\\\/, "\\", text) }
  if (text ~ /^'.*'$/) text = substr(text, 2, length(text) - 2)
  print path "=" text
}
