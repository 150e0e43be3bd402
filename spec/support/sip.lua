-- sip.lua: SIP messages as text: an own codec, so that the bridge is not checked with the library it is built on.
-- SPDX-License-Identifier: MIT
--
-- A message is { method, uri | status, reason; headers = { { name, value }, … } in order and as spelt; body; raw }.
-- Values are never normalised: what came is what is compared.

local sip = {};

local COMPACT = { v = "via", f = "from", t = "to", i = "call-id", m = "contact", l = "content-length",
	c = "content-type", s = "subject", k = "supported", e = "content-encoding", o = "event" };

local function canonical(name)
	name = name:lower();
	return COMPACT[name] or name;
end
sip.canonical = canonical;

--- Values of all headers of that name, in order.
function sip.all(message, name)
	local wanted, values = canonical(name), {};
	for _, header in ipairs(message.headers) do
		if canonical(header[1]) == wanted then values[#values + 1] = header[2]; end
	end
	return values;
end

--- Value of the first header of that name, or nil.
function sip.get(message, name)
	return sip.all(message, name)[1];
end

-- Position of the first char of the set outside of quotes and angle brackets.
local function find_outside(text, set, from)
	local quoted, angle, at = false, false, from or 1;
	while at <= #text do
		local c = text:sub(at, at);
		if quoted then
			if c == "\\" then at = at + 1; elseif c == '"' then quoted = false; end
		elseif c == '"' then
			quoted = true;
		elseif c == "<" and not angle then
			angle = true;
		elseif c == ">" and angle then
			angle = false;
		elseif not angle and set:find(c, 1, true) then
			return at;
		end
		at = at + 1;
	end
	return nil;
end

--- All elements of a comma-separated header, over several header lines, trimmed but otherwise as they came.
function sip.list(message, name)
	local elements = {};
	for _, value in ipairs(sip.all(message, name)) do
		local from = 1;
		repeat
			local comma = find_outside(value, ",", from);
			local element = value:sub(from, (comma or #value + 1) - 1):match("^%s*(.-)%s*$");
			if element ~= "" then elements[#elements + 1] = element; end
			from = (comma or #value) + 1;
		until not comma;
	end
	return elements;
end

--- Is the token (case ignored) among the elements of that header?
function sip.has(message, name, token)
	for _, element in ipairs(sip.list(message, name)) do
		if element:lower() == token:lower() then return true; end
	end
	return false;
end

--- Parameters of a header value, outside of the angle brackets: { tag = "x", epid = "y" } with names in lower case.
function sip.params(value)
	local params, at = {}, find_outside(value, ";");
	while at do
		local next_at = find_outside(value, ";", at + 1);
		local name, text = value:sub(at + 1, (next_at or #value + 1) - 1):match("^%s*([^=%s]+)%s*=?%s*(.-)%s*$");
		if name then params[name:lower()] = text; end
		at = next_at;
	end
	return params;
end

--- From, To, Contact, Route …: { display, uri, params }.
function sip.address(value)
	local display, uri = value:match("^%s*(.-)%s*<([^>]*)>");
	if not uri then
		display, uri = "", value:match("^%s*([^;%s]+)");
	end
	display = display:match('^"(.*)"$') or display;
	return { display = display:gsub("\\(.)", "%1"), uri = uri, params = sip.params(value) };
end

--- User and host (lower case) of a SIP URI.
function sip.user_host(uri)
	local rest = (uri or ""):match("^[sS][iI][pP][sS]?:(.*)$");
	if not rest then return nil; end
	local user, host = rest:match("^([^@]+)@([^;?:]+)"); -- a user may hold ";" and "?" (RFC 3261 25.1)
	if not user then user, host = nil, rest:match("^([^;?:]+)"); end
	return user, host and host:lower();
end

--- "user@host" of a From or To header value, in lower case; "" when it is none.
function sip.who(value)
	local user, host = sip.user_host(sip.address(value or "").uri);
	return user and (user .. "@" .. host):lower() or host or "";
end

--- Number and method of CSeq.
function sip.cseq(message)
	local number, method = (sip.get(message, "CSeq") or ""):match("^(%d+)%s+(%S+)$");
	return tonumber(number), method;
end

--- Key of the transaction: branch of the topmost Via and method of CSeq (ACK and CANCEL count as INVITE on demand).
function sip.branch(message)
	local top = sip.list(message, "Via")[1];
	return top and sip.params(top).branch;
end

--- Bytes of a message. headers: { { name, value }, … }; where a value is true at "Content-Length" (any case) the length
-- is put there, otherwise a Content-Length ends the list.
function sip.bytes(start, headers, body)
	local lines, placed = { start }, false;
	body = body or "";
	for _, header in ipairs(headers) do
		local value = header[2];
		if value == true then value, placed = #body, true; end
		if canonical(header[1]) == "content-length" then placed = true; end
		lines[#lines + 1] = header[1] .. ": " .. tostring(value);
	end
	if not placed then lines[#lines + 1] = "Content-Length: " .. #body; end
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body;
end

local function parse_start(message, line)
	local method, uri = line:match("^(%S+) (%S+) SIP/2%.0$");
	if method then
		message.method, message.uri = method, uri;
		return true;
	end
	local status, reason = line:match("^SIP/2%.0 (%d%d%d) (.*)$");
	message.status, message.reason = tonumber(status), reason;
	return status ~= nil;
end

--- Parse a head (without the empty line). nil, why when it is not SIP.
function sip.parse_head(head)
	local message = { headers = {}, body = "", raw = head };
	if head:find("%z") then return nil, "NUL in the head"; end
	if head:gsub("\r\n", ""):find("[\r\n]") then return nil, "bare CR or LF in the head"; end
	local first = true;
	for line in (head .. "\r\n"):gmatch("(.-)\r\n") do
		if first then
			if not parse_start(message, line) then return nil, "bad start line: " .. line; end
			first = false;
		elseif line:find("^[ \t]") then
			local last = message.headers[#message.headers];
			if not last then return nil, "folded line without header"; end
			last[2] = last[2] .. " " .. line:match("^%s*(.-)%s*$");
		else
			local name, value = line:match("^([%w%-%.!%%%*_%+`'~]+)%s*:%s*(.-)%s*$");
			if not name then return nil, "bad header line: " .. line; end
			message.headers[#message.headers + 1] = { name, value };
		end
	end
	return message;
end

local Parser = {};
Parser.__index = Parser;

--- A parser for one connection: parser:feed(bytes) returns an array of messages; parser.error when the stream broke;
-- parser.pings counts bare CRLFs between messages.
function sip.parser()
	return setmetatable({ buffer = "", pings = 0 }, Parser);
end

local function next_message(self)
	local bare = self.buffer:match("^[\r\n]+");
	if bare then
		self.buffer, self.pings = self.buffer:sub(#bare + 1), self.pings + 1;
	end
	local head_end, body_start = self.buffer:find("\r\n\r\n", 1, true);
	if not head_end then return nil; end
	local message, why = sip.parse_head(self.buffer:sub(1, head_end - 1));
	if not message then
		self.error = why;
		return nil;
	end
	local lengths = sip.all(message, "Content-Length");
	if #lengths ~= 1 or not lengths[1]:match("^%d+$") then
		self.error = #lengths .. " Content-Length headers: " .. table.concat(lengths, " | ");
		return nil;
	end
	local length = tonumber(lengths[1]);
	if #self.buffer < body_start + length then return nil; end
	message.body = self.buffer:sub(body_start + 1, body_start + length);
	message.raw = self.buffer:sub(1, body_start + length);
	self.buffer = self.buffer:sub(body_start + length + 1);
	return message;
end

function Parser:feed(bytes)
	local messages = {};
	self.buffer = self.buffer .. bytes;
	while not self.error do
		local message = next_message(self);
		if not message then break; end
		messages[#messages + 1] = message;
	end
	return messages;
end

--- One line for people.
function sip.describe(message)
	local from, to = sip.who(sip.get(message, "From")), sip.who(sip.get(message, "To"));
	local number, method = sip.cseq(message);
	local text = "";
	if message.body ~= "" then
		local kind = (sip.get(message, "Content-Type") or "?"):match("^[^;]*");
		text = kind:match("^text/plain") and string.format(" %q", message.body:sub(1, 120):gsub("%s+", " ")) or
			message.body:match('status="(%a+)"') and " typing: " .. message.body:match('status="(%a+)"') or " [" .. kind .. "]";
	end
	if message.status then
		local diag = sip.get(message, "ms-diagnostics-public");
		return string.format("%d %s (%s %s)%s", message.status, message.reason, tostring(method), tostring(number),
			diag and " " .. diag or "");
	end
	return string.format("%s %s -> %s%s", message.method, from, to, text);
end

return sip;
