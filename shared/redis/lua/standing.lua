-- Part of commit.lua. Inputs whose mailbox was removed, is paused, or is parked for its account.

local of = plan.of
if of then prefetch(KEYS[of.key], { 'connectedAt', 'since', 'activeRun' }) end
local isKnown = of and get(KEYS[of.key], 'connectedAt')
local since = isKnown and number(KEYS[of.key], 'since')

local function reportForMailbox(kind, more)
  local event = { event = kind, run = of.run, mailbox = of.mailbox }
  for field, value in pairs(more) do event[field] = value end
  events[#events + 1] = cjson.encode(event)
end

-- The mailbox was removed after the input was written; a later mailbox of the same name is another.
local function isLeftOver(input)
  if not of then return false end
  return not isKnown or tonumber(string.match(input[2], '^%d+')) < since
end

-- An entry acknowledged by its only group may be deleted without affecting any lag.
local function dropInput(input)
  stage(AFTER, 'XDEL', KEYS[input[1]], input[2])
  local run = plan.runs[input[3]]
  if not isKnown or not run or get(KEYS[of.key], 'activeRun') ~= run.id then return end
  -- The run became the active one of a mailbox that it does not belong to.
  stage(OVER, 'DEL', KEYS[run.key])
  -- That run was to serve the events beside it; a run of their own begins instead.
  beginNext(run, #plan.inputs > 1)
end

-- A dead letter is announced before it is written, where its mailbox is known: a repetition looks for it first.
local function deadLetter(dead)
  local letters, text = KEYS[dead[2]], ARGV[dead[3]]
  local announced = of and 'burying:' .. plan.group .. ':' .. plan.inputs[dead[1]][2]
  if announced then
    local after = get(KEYS[of.key], announced)
    if after and isThere(letters, after, function(fields) return fields[2] == text end) then return end
    put(GROUND, KEYS[of.key], announced, after or lastId(letters))
    stage(AFTER, 'HDEL', KEYS[of.key], announced)
  end
  local unread = dead[8] == 1 and { 'unread', '1' } or {}
  stage(CONTENT, 'XADD', letters, '*', 'envelope', text, 'stage', dead[4], 'stream', dead[5], 'kind', dead[6], 'message', dead[7], 'at', now, unpack(unread))
end

local function park(parked)
  local mailbox, reason = KEYS[of.key], parked[5]
  stage(CONTENT, 'RPUSH', KEYS[parked[2]], ARGV[parked[3]])
  if get(mailbox, 'status') ~= 'needs-reauth' then
    reportForMailbox('needs-reauth', { reason = reason })
    stage(CONTENT, 'XADD', KEYS[parked[4]], 'MAXLEN', '~', 1000, '*', 'event', 'needs-reauth', 'mailbox', of.mailbox, 'at', now, 'reason', reason)
  end
  put(GUARDS, mailbox, 'status', 'needs-reauth')
  put(GUARDS, mailbox, 'statusReason', reason)
  put(GUARDS, mailbox, 'statusAt', now)
  if not get(mailbox, 'parkedAt') then put(GUARDS, mailbox, 'parkedAt', now) end
end

local function parkHeld(held)
  local mailbox, member, run, oneIsEnough = KEYS[of.key], ARGV[held[3]], held[4], held[5] == 1
  if not get(mailbox, 'pausedAt') then
    -- The mailbox was resumed meanwhile.
    local cut = string.find(member, '\n', 1, true)
    add(plan.inputs[held[1]][1], string.sub(member, cut + 1))
  elseif not oneIsEnough or get(mailbox, 'activeRun') == run or not get(mailbox, 'heldEvent') then
    if oneIsEnough and get(mailbox, 'activeRun') ~= run then put(GUARDS, mailbox, 'heldEvent', '1') end
    stage(CONTENT, 'RPUSH', KEYS[held[2]], member)
  end
end
