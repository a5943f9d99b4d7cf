-- What deploy.sh asks the database: rows of kind, name and value for check.jq. It fills in the names between @ signs.
SELECT 'column' AS kind, column_name AS name, '' AS value FROM information_schema.columns
  WHERE table_schema = '@schema@' AND table_name = '@table@'
UNION ALL SELECT 'stream', change_stream_name, CAST(`all` AS STRING) FROM information_schema.change_streams
  WHERE change_stream_name = '@CHANGE_STREAM@'
UNION ALL SELECT 'table', IF(table_schema = '', table_name, CONCAT(table_schema, '.', table_name)), CAST(all_columns AS STRING)
  FROM information_schema.change_stream_tables WHERE change_stream_name = '@CHANGE_STREAM@'
UNION ALL SELECT 'watched', column_name, '' FROM information_schema.change_stream_columns
  WHERE change_stream_name = '@CHANGE_STREAM@' AND table_schema = '@schema@' AND table_name = '@table@'
UNION ALL SELECT 'option', option_name, option_value FROM information_schema.change_stream_options
  WHERE change_stream_name = '@CHANGE_STREAM@'
