# Flattens JSON into lines of path=value. Items of a list named env are found by their name.
def flat($path):
  if type == "object" then to_entries[] | .key as $key | .value | flat("\($path).\($key)")
  elif type == "array" then to_entries[] | .key as $index | .value |
    flat("\($path)[\(if $path | endswith(".env") then .name else $index end)]")
  else "\($path)=\(.)" end;
flat("")
