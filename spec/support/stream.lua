-- stream.lua: non-blocking TCP and TLS connections and listeners in a loop.
-- SPDX-License-Identifier: MIT
--
-- stream.connect / stream.listen give connection objects: on_open, on_data(bytes), on_close(reason) are fields to set;
-- conn:send(bytes), conn:close(), conn:start_tls(parameters, server_name). tls parameters are LuaSec's (see ca.lua:
-- certificate:tls()). A connection that closes tells why in conn.reason.

local socket = require "socket";
local ssl = require "ssl";

local Connection = {};
Connection.__index = Connection;

local CHUNK = 16384;
local WAITING = { wantread = true, wantwrite = true, timeout = true };

local function finish(self, reason)
	if self.closed then return; end
	self.closed, self.reason, self.ready = true, reason or "closed", false;
	self.loop:on_readable(self.sock, nil);
	self.loop:on_writable(self.sock, nil);
	self.sock:close();
	if self.owner then self.owner[self] = nil; end
	if self.on_close then self:on_close(self.reason); end
end

local function pump_write(self)
	while self.out ~= "" do
		local sent, err, partial = self.sock:send(self.out, 1, math.min(#self.out, CHUNK));
		local count = sent or partial or 0;
		self.out = self.out:sub(count + 1);
		if not sent and WAITING[err] then
			break;
		end
		if not sent then return finish(self, err); end
	end
	self.loop:on_writable(self.sock, self.out ~= "" and function () pump_write(self); end or nil);
	if self.out == "" and self.closing then finish(self, "closed here"); end
end

local function pump_read(self)
	while not self.closed do
		local data, err, partial = self.sock:receive(CHUNK);
		local bytes = data or partial;
		-- The last bytes of a broken TLS connection: an answer to them would make LuaSec's send() loop for ever.
		if not data and not WAITING[err] then self.ready = false; end
		if bytes and bytes ~= "" and self.on_data then
			self:on_data(bytes);
		end
		if not data then
			if not WAITING[err] then finish(self, err); end
			return;
		end
		if self.in_handshake then return; end
	end
end

local function open(self)
	self.in_handshake, self.ready = false, true;
	self.loop:on_readable(self.sock, function () pump_read(self); end);
	self.loop:on_writable(self.sock, nil);
	if self.on_open then self:on_open(); end
	if not self.closed then pump_write(self); end
end

local function handshake(self)
	local ok, err = self.sock:dohandshake();
	if ok then
		self.secure = true;
		return open(self);
	end
	local again = function () handshake(self); end;
	if err == "wantwrite" then
		self.loop:on_readable(self.sock, nil);
		self.loop:on_writable(self.sock, again);
	elseif err == "wantread" or err == "timeout" then
		self.loop:on_readable(self.sock, again);
		self.loop:on_writable(self.sock, nil);
	else
		finish(self, "TLS: " .. tostring(err));
	end
end

-- Files are read once for parameters that are used again (the same table).
local contexts = setmetatable({}, { __mode = "k" });

local function context_of(parameters)
	local context, err = contexts[parameters], nil;
	if not context then
		context, err = ssl.newcontext(parameters);
		contexts[parameters] = context;
	end
	return context, err;
end

--- Wrap the connection in TLS; parameters.mode says which role. on_open is called (again) when it is up.
function Connection:start_tls(parameters, server_name)
	self.loop:on_readable(self.sock, nil);
	self.loop:on_writable(self.sock, nil);
	self.in_handshake, self.ready = true, false;
	local context, wrapped, err;
	context, err = context_of(parameters);
	if context then wrapped, err = ssl.wrap(self.sock, context); end
	if not wrapped then return finish(self, "TLS: " .. tostring(err)); end
	self.sock = wrapped;
	wrapped:settimeout(0);
	if server_name and parameters.mode == "client" then wrapped:sni(server_name); end
	handshake(self);
end

--- Queue bytes; they leave as soon as the connection is up and the peer reads.
function Connection:send(bytes)
	if self.closed then return false; end
	self.out = self.out .. bytes;
	if self.ready then pump_write(self); end
	return true;
end

--- Close: after what is queued, or at once (now = true).
function Connection:close(now)
	if self.closed then return; end
	if now or self.out == "" or not self.ready then return finish(self, "closed here"); end
	self.closing = true;
end

--- The peer's certificate (LuaSec object) or nil, and whether its chain verified.
function Connection:certificate()
	if not self.secure or self.closed then return nil; end
	return self.sock:getpeercertificate(), (self.sock:getpeerverification());
end

--- The names (lower case) in the peer certificate's SAN, as a set.
function Connection:peer_names()
	local names, cert = {}, self:certificate();
	for _, extension in pairs(cert and cert:extensions() or {}) do
		for _, name in ipairs(type(extension) == "table" and extension.dNSName or {}) do
			names[name:lower()] = true;
		end
	end
	return names;
end

local function new(loop, sock, handlers)
	sock:settimeout(0);
	local self = setmetatable({ loop = loop, sock = sock, out = "", ready = false }, Connection);
	for key, value in pairs(handlers or {}) do self[key] = value; end
	return self;
end

local function connected(self, tls, server_name)
	self.loop:on_writable(self.sock, nil);
	local name = self.sock:getpeername();
	if not name then
		local _, err = self.sock:connect(self.ip, self.port);
		return finish(self, "connect: " .. tostring(err));
	end
	self.sock:setoption("tcp-nodelay", true);
	if tls then return self:start_tls(tls, server_name); end
	open(self);
end

local stream = {};

--- Connect. options: tls (parameters), server_name, from (local address). handlers: on_open, on_data, on_close, more.
function stream.connect(loop, ip, port, options, handlers)
	options = options or {};
	local self = new(loop, assert(socket.tcp4()), handlers);
	self.ip, self.port = ip, port;
	if options.from then assert(self.sock:bind(options.from, 0)); end
	local ok, err = self.sock:connect(ip, port);
	if not ok and err ~= "timeout" then
		loop:after(0, function () finish(self, "connect: " .. tostring(err)); end);
		return self;
	end
	loop:on_writable(self.sock, function () connected(self, options.tls, options.server_name); end);
	return self;
end

--- Listen on ip:port (port nil: any). on_connection(conn) is called once per connection, before it is up.
--- The listener has .ip, .port, .connections (set), :close() (keeps the connections), :drop() (closes them).
function stream.listen(loop, ip, port, options, on_connection)
	options = options or {};
	local sock = assert(socket.tcp4());
	assert(sock:setoption("reuseaddr", true));
	local ok, err = sock:bind(ip, port or 0);
	if not ok then error(string.format("cannot listen on %s:%s: %s", ip, tostring(port), err), 2); end
	assert(sock:listen(64));
	sock:settimeout(0);
	local _, bound = sock:getsockname();
	local listener = { ip = ip, port = math.tointeger(tonumber(bound)), connections = {}, options = options };
	loop:on_readable(sock, function ()
		local accepted = sock:accept();
		if not accepted then return; end
		local conn = new(loop, accepted);
		accepted:setoption("tcp-nodelay", true);
		conn.owner, listener.connections[conn] = listener.connections, true;
		on_connection(conn);
		if listener.options.tls then
			conn:start_tls(listener.options.tls);
		else
			open(conn);
		end
	end);
	function listener.close()
		if listener.closed then return; end
		listener.closed = true;
		loop:on_readable(sock, nil);
		sock:close();
	end
	function listener.drop()
		for conn in pairs(listener.connections) do conn:close(true); end
	end
	return listener;
end

return stream;
