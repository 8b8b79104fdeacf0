-- Part of every script that uses the time. All processes share Redis's clock; nothing else reads it in scripts.

local clock = redis.call('TIME')
-- Milliseconds since 1970.
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
