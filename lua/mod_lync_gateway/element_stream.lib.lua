-- An XML stream over a socket for prosodyctl, which has no event loop: elements one after the other, up to a deadline.
-- SPDX-License-Identifier: MIT

local socket = require "socket";
local new_xmpp_stream = require "util.xmppstream".new;

local CHUNK, SIZE_MAX = 8192, 262144; -- bytes

local element_stream = {};

local waiting = { timeout = true; wantread = true; wantwrite = true };

local methods = {};
local metatable = { __index = methods };

local function parser_of(self)
	local callbacks = { default_ns = self.namespace; stream_ns = "http://etherx.jabber.org/streams" };
	function callbacks.streamopened(session, attr) session.notopen, self.header = nil, attr; end
	function callbacks.streamclosed() self.ended = self.ended or "the other side ended the stream"; end
	function callbacks.handlestanza(_, element) table.insert(self.elements, element); end
	function callbacks.error(_, kind, data)
		if kind == "stream-error" then
			self.stream_error = data;
			local condition = data.tags[1] and data.tags[1].name or "undefined-condition";
			local text = data:get_child_text("text", "urn:ietf:params:xml:ns:xmpp-streams");
			self.ended = ("stream error %s%s"):format(condition, text and " ("..text..")" or "");
		else
			self.ended = "what it sends is not XMPP ("..kind..")";
		end
	end
	return new_xmpp_stream({ log = function () end; notopen = true }, callbacks, SIZE_MAX);
end

-- sock: connected, of LuaSocket or LuaSec; deadline: as of socket.gettime
function element_stream.new(sock, namespace, deadline)
	return setmetatable({ sock = sock; namespace = namespace; deadline = deadline; elements = {} }, metatable):reset();
end

-- A new stream on the same connection.
function methods:reset()
	self.elements, self.header, self.ended, self.stream_error = {}, nil, nil, nil;
	self.parser = parser_of(self);
	return self;
end

local function wait(self, reading)
	local left = self.deadline - socket.gettime();
	if left <= 0 then return false; end
	local list = { self.sock };
	local _, _, err = socket.select(reading and list or nil, not reading and list or nil, left);
	return err == nil;
end

function methods:send(text)
	if self.broken then return nil, "closed"; end
	local sent = 0;
	self.sock:settimeout(0);
	while sent < #text do
		local last, err, partial = self.sock:send(text, sent + 1);
		sent = last or partial or sent;
		if not last and not waiting[err] then
			self.broken = true;
			return nil, err;
		elseif not last and not wait(self, err == "wantread") then
			return nil, "timeout";
		end
	end
	return true;
end

-- More bytes for the parser: true, or nil and why there are none.
local function feed(self)
	while true do
		self.sock:settimeout(0);
		local data, err, partial = self.sock:receive(CHUNK);
		data = data or partial;
		if data and data ~= "" then
			local ok, wrong = self.parser:feed(data);
			if not ok then return nil, self.ended or "what it sends is not XMPP ("..tostring(wrong)..")"; end
			return true;
		elseif not waiting[err] then
			self.broken = true; -- LuaSec's send() might never return
			return nil, self.ended or (err == "closed" and "the other side closed the connection" or err);
		elseif not wait(self, err ~= "wantwrite") then
			return nil, "timeout";
		end
	end
end

-- The other side's stream header, or nil and why not ("timeout": none came in time).
function methods:read_header()
	while not self.header do
		if self.ended then return nil, self.ended; end
		local ok, err = feed(self);
		if not ok then return nil, err; end
	end
	return self.header;
end

-- The next element, or nil and why there is none.
function methods:read()
	while not self.elements[1] do
		if self.ended then return nil, self.ended; end
		local ok, err = feed(self);
		if not ok and not self.elements[1] then return nil, err; end
	end
	return table.remove(self.elements, 1);
end

return element_stream;
