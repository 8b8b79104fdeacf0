-- Part of own.lua and reclaim.lua. Takes a pending entry with its delivery count set; returns it as {id, fields, deliveries}. A trimmed
-- entry is acknowledged, and nothing is returned.

local function take(stream, id, deliveries)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then
    stage(CONTENT, 'XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', deliveries, 'JUSTID')
    return { id, entry[2], deliveries }
  end
  stage(ACKNOWLEDGED, 'XACK', stream, group, id)
end
