-- Renews the lease of entries that are still ours; entries that another consumer took over are not touched.
-- No `#!lua` line: a server that is out of memory would refuse the script, and its consumers must keep their work.
--
-- KEYS    a stream
-- ARGV    group, consumer, 1 if work on them begins now, entry ids…
-- Result  the ids that are no longer ours
-- Starting work counts as one more delivery: a process that dies has died over its work, not over entries it had read ahead.

local stream, group, me, begins = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local claims, latest, lost = {}, {}, {}
for at = 4, #ARGV do
  local id = ARGV[at]
  local pending = redis.call('XPENDING', stream, group, id, id, 1, me)[1]
  if pending then
    local deliveries = pending[4] + begins
    local claim = latest[deliveries]
    if not claim or #claim.ids == LIMIT.words then
      claim = { deliveries = deliveries, ids = {} }
      latest[deliveries] = claim
      claims[#claims + 1] = claim
    end
    table.insert(claim.ids, id)
  else
    lost[#lost + 1] = id
  end
end
-- Claimed together, so that a repetition after a failure does not count twice.
for _, claim in ipairs(claims) do
  local words = { 'XCLAIM', stream, group, me, 0, unpack(claim.ids) }
  for _, word in ipairs({ 'RETRYCOUNT', claim.deliveries, 'JUSTID' }) do words[#words + 1] = word end
  redis.call(unpack(words))
end
return lost
