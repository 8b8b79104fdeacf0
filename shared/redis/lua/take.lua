-- Part of own.lua and reclaim.lua. Takes a pending entry, with its count of deliveries set; answers it as {id, fields, deliveries}, or nothing
-- when it was trimmed away: then it is acknowledged.

local function take(stream, id, deliveries)
  redis.call('XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', deliveries, 'JUSTID')
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then return { id, entry[2], deliveries } end
  -- Before 7.0 a claim leaves it pending.
  redis.call('XACK', stream, group, id)
end
