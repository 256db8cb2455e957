-- Dissects ZooKeeper's two server-to-server protocols for Wireshark and tshark (4.0 or later):
--   zab   the quorum port (2888): jute-serialized QuorumPackets between a leader and its learners
--   fle   the election port (3888): FastLeaderElection's initial messages and notifications
-- Install: copy it to the folder that Help > About > Folders calls "Personal Lua Plugins", or
--   tshark -X lua_script:quorumscope.lua -r capture.pcap -Y 'zab.type == "PROPOSAL"'
-- Frames may be cut: what the snaplen hid is said where it begins, and nothing is guessed behind it.

local zab = Proto("zab", "ZooKeeper Atomic Broadcast")
local fle = Proto("fle", "ZooKeeper Fast Leader Election")

-- org.apache.zookeeper.server.quorum.Leader: packet types.
local TYPES = {
  [1] = "REQUEST", [2] = "PROPOSAL", [3] = "ACK", [4] = "COMMIT", [5] = "PING", [6] = "REVALIDATE",
  [7] = "SYNC", [8] = "INFORM", [9] = "COMMITANDACTIVATE", [10] = "NEWLEADER", [11] = "FOLLOWERINFO",
  [12] = "UPTODATE", [13] = "DIFF", [14] = "TRUNC", [15] = "SNAP", [16] = "OBSERVERINFO",
  [17] = "LEADERINFO", [18] = "ACKEPOCH", [19] = "INFORMANDACTIVATE",
}
-- org.apache.zookeeper.ZooDefs.OpCode: requests and transactions.
local OPS = {
  [-11] = "closeSession", [-10] = "createSession", [-1] = "error", [1] = "create", [2] = "delete",
  [5] = "setData", [7] = "setACL", [9] = "sync", [13] = "check", [14] = "multi", [15] = "create2",
  [16] = "reconfig", [19] = "createContainer", [20] = "deleteContainer", [21] = "createTTL",
}
-- Those of them whose body begins with a path.
local HAS_PATH = {
  [1] = true, [2] = true, [5] = true, [7] = true, [9] = true, [13] = true, [15] = true, [19] = true, [21] = true,
}
-- org.apache.zookeeper.server.quorum.QuorumPeer.ServerState.
local STATES = { [0] = "LOOKING", [1] = "FOLLOWING", [2] = "LEADING", [3] = "OBSERVING" }
local AUTH_STATUS = { [0] = "IN_PROGRESS", [1] = "SUCCESS", [-1] = "ERROR" }

-- org.apache.zookeeper.server.quorum.auth.QuorumAuth.
local AUTH_MAGIC = "\x5f\x24\x35\x01\x35\x01\xed\xcc"
-- The end of a snapshot: the path "/" and the signature (SerializeUtils, DataTree).
local SNAPSHOT_END = "\0\0\0\1/\0\0\0\10BenWasHere"
-- A packet's data longer than this is none: jute.maxbuffer is 1 MB by default, and few raise it beyond.
local MAX_DATA = 64 * 1024 * 1024
-- QuorumCnxManager.PACKETMAXSIZE.
local MAX_NOTIFICATION = 512 * 1024
local HEAD = 16

local zf = {
  type = ProtoField.string("zab.type", "Type"),
  type_number = ProtoField.int32("zab.type_number", "Type number"),
  zxid = ProtoField.uint64("zab.zxid", "zxid", base.HEX),
  epoch = ProtoField.uint32("zab.zxid.epoch", "Epoch"),
  counter = ProtoField.uint32("zab.zxid.counter", "Counter"),
  data_len = ProtoField.int32("zab.data_len", "Length of data"),
  length = ProtoField.uint32("zab.length", "Length of the packet"),
  sid = ProtoField.int64("zab.sid", "Server id"),
  protocol_version = ProtoField.uint32("zab.protocol_version", "Protocol version", base.HEX),
  config_version = ProtoField.uint64("zab.config_version", "Configuration version", base.HEX),
  current_epoch = ProtoField.int32("zab.current_epoch", "Current epoch"),
  session = ProtoField.uint64("zab.session", "Session", base.HEX),
  timeout = ProtoField.int32("zab.timeout", "Session timeout (ms)"),
  valid = ProtoField.bool("zab.valid", "Session is valid"),
  sessions = ProtoField.uint32("zab.sessions", "Sessions touched"),
  cxid = ProtoField.int32("zab.cxid", "cxid"),
  op = ProtoField.string("zab.op", "Operation"),
  op_number = ProtoField.int32("zab.op_number", "Operation number"),
  time = ProtoField.absolute_time("zab.time", "Time of the transaction"),
  path = ProtoField.string("zab.path", "Path"),
  error = ProtoField.int32("zab.error", "Error code"),
  leader = ProtoField.int64("zab.designated_leader", "Designated leader"),
  config = ProtoField.string("zab.config", "Configuration"),
  identity = ProtoField.string("zab.identity", "Client identity"),
  snapshot = ProtoField.bytes("zab.snapshot", "Snapshot"),
  cut = ProtoField.uint32("zab.cut", "Bytes that were not captured"),
  auth_status = ProtoField.string("zab.auth.status", "SASL status"),
  auth_len = ProtoField.int32("zab.auth.token_len", "Length of the SASL token"),
}
zab.fields = zf
local ff = {
  type = ProtoField.string("fle.type", "Type"),
  length = ProtoField.uint32("fle.length", "Length"),
  protocol_version = ProtoField.int64("fle.protocol_version", "Protocol version"),
  sid = ProtoField.int64("fle.sid", "Server id of the sender"),
  addresses = ProtoField.string("fle.addresses", "Addresses of the sender"),
  state = ProtoField.string("fle.state", "State of the sender"),
  leader = ProtoField.int64("fle.leader", "Vote: leader"),
  zxid = ProtoField.uint64("fle.zxid", "Vote: zxid", base.HEX),
  round = ProtoField.int64("fle.round", "Round (electionEpoch)"),
  epoch = ProtoField.int64("fle.epoch", "Vote: peerEpoch"),
  version = ProtoField.int32("fle.version", "Notification version"),
  config = ProtoField.string("fle.config", "Configuration"),
  cut = ProtoField.uint32("fle.cut", "Bytes that were not captured"),
  auth_status = ProtoField.string("fle.auth.status", "SASL status"),
  auth_len = ProtoField.int32("fle.auth.token_len", "Length of the SASL token"),
}
fle.fields = ff

local ze = {
  cut = ProtoExpert.new("zab.cut.expert", "Cut by the snaplen", expert.group.UNDECODED, expert.severity.NOTE),
  lost = ProtoExpert.new("zab.unframed", "Not the start of a packet", expert.group.UNDECODED, expert.severity.NOTE),
}
zab.experts = ze
local fe = {
  cut = ProtoExpert.new("fle.cut.expert", "Cut by the snaplen", expert.group.UNDECODED, expert.severity.NOTE),
  lost = ProtoExpert.new("fle.unframed", "Not the start of a message", expert.group.UNDECODED, expert.severity.NOTE),
}
fle.experts = fe

zab.prefs.ports = Pref.range("Quorum ports", "2888", "TCP ports of leaders and observer masters", 65535)
fle.prefs.ports = Pref.range("Election ports", "3888", "TCP ports of leader election", 65535)

local tcp_stream = Field.new("tcp.stream")
local tcp_seq = Field.new("tcp.seq")

-- State of one direction of a connection, as the first pass leaves it: whether a snapshot is under way, and the
-- last bytes of it.
local directions = {}
-- What the first pass found at the start of a payload: bytes of a snapshot, by frame and length.
local snapshot_starts = {}

function zab.init()
  directions = {}
  snapshot_starts = {}
end

local function direction_of(pinfo)
  local stream = tcp_stream()
  local key = (stream and stream.value or 0) .. ">" .. pinfo.src_port
  local direction = directions[key]
  if not direction then
    direction = { in_snapshot = false, tail = "" }
    directions[key] = direction
  end
  return direction
end

-- A reader over what was captured of one record; every read says whether there was enough.
local function reader(tvb, from, to)
  return { tvb = tvb, at = from, to = to }
end

local function take(r, len)
  if len < 0 or r.at + len > r.to or r.at + len > r.tvb:captured_len() then return nil end
  local range = r.tvb(r.at, len)
  r.at = r.at + len
  return range
end

local function add(tree, field, r, len)
  local range = take(r, len)
  if range then tree:add(field, range) end
  return range
end

-- A string: its length, then as much of it as was captured.
local function add_string(tree, field, r)
  local head = take(r, 4)
  if not head then return nil end
  local len = head:int()
  if len <= 0 then return "" end
  local there = math.min(len, r.to - r.at, r.tvb:captured_len() - r.at)
  if there > 0 then
    local range = r.tvb(r.at, there)
    local text = range:string()
    if there < len then text = text .. "..." end
    tree:add(field, range, text)
  end
  r.at = r.at + len
  return len
end

local function add_zxid(tree, range)
  local item = tree:add(zf.zxid, range)
  item:add(zf.epoch, range(0, 4))
  item:add(zf.counter, range(4, 4))
end

local function add_op(tree, r)
  local range = take(r, 4)
  if not range then return nil end
  local op = range:int()
  tree:add(zf.op, range, OPS[op] or ("op " .. op))
  tree:add(zf.op_number, range):set_hidden()
  return op
end

-- org.apache.zookeeper.txn.TxnHeader and the start of the transaction behind it.
local function add_txn(tree, r)
  if not add(tree, zf.session, r, 8) then return nil end
  if not add(tree, zf.cxid, r, 4) then return nil end
  if not take(r, 8) then return nil end
  local time = take(r, 8)
  if not time then return nil end
  local millis = time:int64()
  local seconds = (millis / 1000):tonumber()
  tree:add(zf.time, time, NSTime.new(seconds, (millis % 1000):tonumber() * 1000000))
  local op = add_op(tree, r)
  if not op then return nil end
  if op == 20 then
    add_string(tree, zf.path, r)
  elseif HAS_PATH[op] or op == 16 then
    add_string(tree, zf.path, r)
  elseif op == -10 then
    add(tree, zf.timeout, r, 4)
  elseif op == -1 then
    add(tree, zf.error, r, 4)
  end
  return OPS[op]
end

local function add_request(tree, r)
  if not add(tree, zf.session, r, 8) then return nil end
  if not add(tree, zf.cxid, r, 4) then return nil end
  local op = add_op(tree, r)
  if not op then return nil end
  if HAS_PATH[op] then
    add_string(tree, zf.path, r)
  elseif op == 20 then
    -- deleteContainer's body is the bare path.
    local len = r.to - r.at
    local there = math.min(len, r.tvb:captured_len() - r.at)
    if there > 0 then tree:add(zf.path, r.tvb(r.at, there)) end
  elseif op == -10 then
    add(tree, zf.timeout, r, 4)
  end
  return OPS[op]
end

local function add_sessions(tree, r, len)
  tree:add(zf.sessions, math.floor(len / 12)):set_generated()
  while r.at + 12 <= r.to do
    if not add(tree, zf.session, r, 8) then return end
    add(tree, zf.timeout, r, 4)
  end
end

-- What each type keeps in its data. Answers a word for the summary.
local DATA = {
  [1] = function(tree, r) return add_request(tree, r) end,
  [2] = function(tree, r) return add_txn(tree, r) end,
  [5] = function(tree, r, len) add_sessions(tree, r, len) end,
  [6] = function(tree, r, len)
    add(tree, zf.session, r, 8)
    if len == 9 then add(tree, zf.valid, r, 1) else add(tree, zf.timeout, r, 4) end
  end,
  [8] = function(tree, r) return add_txn(tree, r) end,
  [9] = function(tree, r) add(tree, zf.leader, r, 8) end,
  [10] = function(tree, r, len)
    local there = math.min(len, r.tvb:captured_len() - r.at)
    if there > 0 then tree:add(zf.config, r.tvb(r.at, there)) end
  end,
  [11] = function(tree, r)
    add(tree, zf.sid, r, 8)
    add(tree, zf.protocol_version, r, 4)
    add(tree, zf.config_version, r, 8)
  end,
  [17] = function(tree, r) add(tree, zf.protocol_version, r, 4) end,
  [18] = function(tree, r) add(tree, zf.current_epoch, r, 4) end,
  [19] = function(tree, r)
    add(tree, zf.leader, r, 8)
    return add_txn(tree, r)
  end,
}
DATA[16] = DATA[11]

-- The length of the list of identities at an offset, its count included: null but for REQUESTs of clients.
-- Answers nil where the captured bytes do not hold it, false where it cannot be one.
local function authinfo_len(tvb, at)
  local there = tvb:captured_len()
  if at + 4 > there then return nil end
  local count = tvb(at, 4):int()
  if count == -1 then return 4 end
  if count < 0 or count > 1024 then return false end
  local len = 4
  for _ = 1, 2 * count do
    if at + len + 4 > there then return nil end
    local size = tvb(at + len, 4):int()
    if size < -1 or size > MAX_DATA then return false end
    len = len + 4 + math.max(size, 0)
  end
  return len
end

local function add_identities(tree, tvb, at, len)
  local r = reader(tvb, at + 4, at + len)
  while r.at < r.to do
    if not add_string(tree, zf.identity, r) then return end
  end
end

-- Whether a packet may begin here: false if not, nil if too few bytes were captured to tell.
local function may_begin(tvb, at)
  local there = tvb:captured_len() - at
  if there < 4 then return nil end
  local kind = tvb(at, 4):int()
  if not TYPES[kind] then return false end
  if there >= HEAD then
    local len = tvb(at + 12, 4):int()
    if len < -1 or len > MAX_DATA then return false end
  end
  return true
end

local function note_cut(tree, field, experts, bytes)
  if bytes > 0 then
    tree:add(field, bytes):set_generated()
    tree:add_proto_expert_info(experts.cut, "Cut by the snaplen: " .. bytes .. " bytes behind this were not captured")
  end
end

local function summary(pinfo, words)
  if #words > 0 then
    pinfo.cols.info:set(table.concat(words, ", "))
  end
end

-- One SASL packet: QuorumAuthPacket. Answers its length, nil where more bytes are needed.
local function auth(tvb, at, tree, fields, words, proto)
  if at + HEAD > tvb:captured_len() then return nil end
  local status = tvb(at + 8, 4):int()
  local token = tvb(at + 12, 4):int()
  local len = HEAD + math.max(token, 0)
  local shown = math.min(len, tvb:captured_len() - at)
  local sub = tree:add(proto, tvb(at, shown), "SASL " .. (AUTH_STATUS[status] or status))
  sub:add(fields.auth_status, tvb(at + 8, 4), AUTH_STATUS[status] or tostring(status))
  sub:add(fields.auth_len, tvb(at + 12, 4))
  words[#words + 1] = "SASL " .. (AUTH_STATUS[status] or status)
  return len
end

local function starts_with(tvb, at, bytes)
  return at + #bytes <= tvb:captured_len() and tvb(at, #bytes):raw() == bytes
end

-- How many bytes at the start of a payload belong to a snapshot. The first pass finds out and remembers.
local function snapshot_at(tvb, at, pinfo, direction)
  local key = pinfo.number .. ":" .. tvb:reported_len() .. ":" .. at
  if pinfo.visited then return snapshot_starts[key] or 0 end
  if not direction.in_snapshot then return 0 end
  local there = tvb:captured_len() - at
  local bytes = there > 0 and tvb(at, there):raw() or ""
  local _, last = (direction.tail .. bytes):find(SNAPSHOT_END, 1, true)
  local len = tvb:reported_len() - at
  if last then
    len = last - #direction.tail
    direction.in_snapshot = false
    direction.tail = ""
  else
    direction.tail = (direction.tail .. bytes):sub(-(#SNAPSHOT_END - 1))
  end
  snapshot_starts[key] = len
  return len
end

-- One packet at an offset, known to begin there. Answers its length on the wire; nil where it cannot be known.
local function packet(tvb, at, pinfo, tree, words)
  local there = tvb:captured_len() - at
  local kind = tvb(at, 4):int()
  local name = TYPES[kind]
  local data_len = there >= HEAD and tvb(at + 12, 4):int() or nil
  local data_end = data_len and at + HEAD + math.max(data_len, 0)
  local tail = 4
  if kind == 1 and data_end then tail = authinfo_len(tvb, data_end) or nil end
  local len = data_end and tail and data_end + tail - at
  local shown = math.min(len or there, there)
  local sub = tree:add(zab, tvb(at, shown), "ZooKeeper " .. name)
  sub:add(zf.type, tvb(at, 4), name)
  sub:add(zf.type_number, tvb(at, 4)):set_hidden()
  words[#words + 1] = name
  if there >= 12 then add_zxid(sub, tvb(at + 4, 8)) end
  if not data_len then
    note_cut(sub, zf.cut, ze, tvb:reported_len() - tvb:captured_len())
    return nil
  end
  sub:add(zf.data_len, tvb(at + 12, 4))
  if len then sub:add(zf.length, len):set_generated() end
  if data_len > 0 and DATA[kind] then
    local word = DATA[kind](sub, reader(tvb, at + HEAD, data_end), data_len)
    if word then words[#words] = name .. " " .. word end
  end
  if kind == 1 and len and tail > 4 and at + len <= tvb:captured_len() then
    add_identities(sub, tvb, data_end, tail)
  end
  local ends = len and at + len or tvb:reported_len()
  note_cut(sub, zf.cut, ze, math.min(ends, tvb:reported_len()) - math.max(tvb:captured_len(), at))
  return len
end

function zab.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "ZAB"
  local total = tvb:reported_len()
  local whole = tvb:captured_len() == total
  local direction = direction_of(pinfo)
  local words = {}
  local at = 0
  while at < total do
    local snapshot = snapshot_at(tvb, at, pinfo, direction)
    if snapshot > 0 then
      local shown = math.max(0, math.min(snapshot, tvb:captured_len() - at))
      if shown > 0 then tree:add(zf.snapshot, tvb(at, shown)) end
      words[#words + 1] = "snapshot"
      at = at + snapshot
    elseif at >= tvb:captured_len() then
      tree:add_proto_expert_info(ze.cut, "Cut by the snaplen: what lies in the last " .. (total - at) .. " bytes is not known")
      break
    elseif starts_with(tvb, at, AUTH_MAGIC) then
      local len = auth(tvb, at, tree, zf, words, zab)
      if not len or (whole and at + len > total) then
        if whole and pinfo.can_desegment > 0 then
          pinfo.desegment_offset = at
          pinfo.desegment_len = len and at + len - total or DESEGMENT_ONE_MORE_SEGMENT
          return total
        end
        break
      end
      at = at + len
    else
      local begins = may_begin(tvb, at)
      if begins == false then
        tree:add_proto_expert_info(ze.lost, "Not the start of a packet: the capture begins inside one, or bytes are missing")
        break
      end
      -- All of it must be there before it is shown, where it will be.
      local len
      if whole then
        local data_end, tail
        if total - at >= HEAD then
          data_end = at + HEAD + math.max(tvb(at + 12, 4):int(), 0)
          tail = 4
          if tvb(at, 4):int() == 1 then tail = authinfo_len(tvb, data_end) end
        end
        if tail == false then
          tree:add_proto_expert_info(ze.lost, "Not a packet: what stands behind its data cannot be")
          break
        end
        len = tail and data_end + tail - at
        if (not len or at + len > total) and pinfo.can_desegment > 0 then
          pinfo.desegment_offset = at
          pinfo.desegment_len = len and at + len - total or DESEGMENT_ONE_MORE_SEGMENT
          summary(pinfo, words)
          return total
        end
      end
      if begins == nil then break end
      local kind = tvb(at, 4):int()
      len = packet(tvb, at, pinfo, tree, words)
      if kind == 15 and not pinfo.visited then
        direction.in_snapshot = true
        direction.tail = ""
      end
      if not len then break end
      at = at + len
    end
  end
  summary(pinfo, words)
  return total
end

-- The dialer's first message. Answers its length, nil where more bytes are needed, false where it is none.
local function hello(tvb, at, tree, words)
  local there = tvb:captured_len() - at
  if there < 8 then return nil end
  local first = tvb(at, 8):raw()
  local is_new = first == "\xff\xff\xff\xff\xff\xff\0\0" or first == "\xff\xff\xff\xff\xff\xff\0\1"
  if is_new then
    if there < 20 then return nil end
    local size = tvb(at + 16, 4):int()
    if size < 1 or size > 2048 then return false end
    local len = 20 + size
    local sub = tree:add(fle, tvb(at, math.min(len, there)), "ZooKeeper election: initial message")
    sub:add(ff.type, tvb(at, 8), "HELLO")
    sub:add(ff.protocol_version, tvb(at, 8))
    sub:add(ff.sid, tvb(at + 8, 8))
    local shown = math.min(size, there - 20)
    if shown > 0 then
      local text = tvb(at + 20, shown):string()
      sub:add(ff.addresses, tvb(at + 20, shown), shown < size and text .. "..." or text)
    end
    note_cut(sub, ff.cut, fe, math.min(at + len, tvb:reported_len()) - math.max(tvb:captured_len(), at))
    words[#words + 1] = "HELLO of " .. tostring(tvb(at + 8, 8):int64())
    return len
  end
  return false
end

-- Up to 3.4 the first message is the dialer's id alone.
local function bare_hello(tvb, at, tree, words)
  local sub = tree:add(fle, tvb(at, 8), "ZooKeeper election: initial message")
  sub:add(ff.type, tvb(at, 8), "HELLO")
  sub:add(ff.sid, tvb(at, 8))
  words[#words + 1] = "HELLO of " .. tostring(tvb(at, 8):int64())
  return 8
end

local function notification(tvb, at, tree, words)
  local size = tvb(at, 4):int()
  local there = tvb:captured_len() - at
  local sub = tree:add(fle, tvb(at, math.min(4 + size, there)), "ZooKeeper election: notification")
  sub:add(ff.type, tvb(at, 4), "NOTIFICATION")
  sub:add(ff.length, tvb(at, 4))
  local r = reader(tvb, at + 4, at + 4 + size)
  local state = take(r, 4)
  local word = "NOTIFICATION"
  if state then
    local name = STATES[state:int()] or ("state " .. state:int())
    sub:add(ff.state, state, name)
    word = name
  end
  local leader = add(sub, ff.leader, r, 8)
  if leader then word = word .. " for " .. tostring(leader:int64()) end
  add(sub, ff.zxid, r, 8)
  local round = add(sub, ff.round, r, 8)
  if round then word = word .. " round " .. tostring(round:int64()) end
  add(sub, ff.epoch, r, 8)
  add(sub, ff.version, r, 4)
  if size > 44 then add_string(sub, ff.config, r) end
  note_cut(sub, ff.cut, fe, math.min(at + 4 + size, tvb:reported_len()) - math.max(tvb:captured_len(), at))
  words[#words + 1] = word
  return 4 + size
end

-- Where a message ends, as far as its first bytes tell: its length, nil for "more", false for "none begins here".
local function message_len(tvb, at, is_first)
  local there = tvb:captured_len() - at
  if starts_with(tvb, at, AUTH_MAGIC) then
    if there < HEAD then return nil end
    return HEAD + math.max(tvb(at + 12, 4):int(), 0)
  end
  if there < 4 then return nil end
  local size = tvb(at, 4):int()
  if size == -1 then
    if there < 20 then return nil end
    local first = tvb(at, 8):raw()
    if first ~= "\xff\xff\xff\xff\xff\xff\0\0" and first ~= "\xff\xff\xff\xff\xff\xff\0\1" then return false end
    local addresses = tvb(at + 16, 4):int()
    return addresses >= 1 and addresses <= 2048 and 20 + addresses or false
  end
  if size == 0 and is_first then return there >= 8 and 8 or nil end
  if size < 1 or size > MAX_NOTIFICATION then return false end
  return 4 + size
end

function fle.dissector(tvb, pinfo, tree)
  pinfo.cols.protocol = "FLE"
  local total = tvb:reported_len()
  local whole = tvb:captured_len() == total
  local seq = tcp_seq()
  local words = {}
  local at = 0
  while at < total do
    local is_first = at == 0 and seq and seq.value == 1
    local len = message_len(tvb, at, is_first)
    if len == false then
      tree:add_proto_expert_info(fe.lost, "Not the start of a message: the capture begins inside one, or bytes are missing")
      break
    end
    if whole and (not len or at + len > total) and pinfo.can_desegment > 0 then
      pinfo.desegment_offset = at
      pinfo.desegment_len = len and at + len - total or DESEGMENT_ONE_MORE_SEGMENT
      summary(pinfo, words)
      return total
    end
    if not len then
      tree:add_proto_expert_info(fe.cut, "Cut by the snaplen: what lies in the last " .. (total - at) .. " bytes is not known")
      break
    end
    if starts_with(tvb, at, AUTH_MAGIC) then
      auth(tvb, at, tree, ff, words, fle)
    elseif tvb(at, 4):int() == -1 then
      hello(tvb, at, tree, words)
    elseif tvb(at, 4):int() == 0 then
      bare_hello(tvb, at, tree, words)
    else
      notification(tvb, at, tree, words)
    end
    at = at + len
  end
  summary(pinfo, words)
  return total
end

-- Ports of our own come before other dissectors' guesses (lbmsrs and smpp take these ports otherwise).
local table_of_ports = DissectorTable.get("tcp.port")
local function register(proto)
  table_of_ports:add(proto.prefs.ports, proto)
end
local registered = { [zab] = "2888", [fle] = "3888" }
local function changed(proto)
  if registered[proto] ~= proto.prefs.ports then
    table_of_ports:remove(registered[proto], proto)
    table_of_ports:add(proto.prefs.ports, proto)
    registered[proto] = proto.prefs.ports
  end
end
function zab.prefs_changed() changed(zab) end
function fle.prefs_changed() changed(fle) end
register(zab)
register(fle)
