-- scripted_presence.lua: presence of the scripted bridge: romeo watches lena, lena watches romeo; right unless told otherwise.
-- SPDX-License-Identifier: MIT
--
-- bridge.spoil[kind] = function (message) … end changes what is sent: kind "SUBSCRIBE", "NOTIFY", "200" (to a SUBSCRIBE),
-- "NOTIFY-200"; message: headers, body, status, uri; with :set(name, value | nil), :add(name, value).

local sip = require "spec.support.sip";

local PIDF = "application/pidf+xml";

local Message = {};
Message.__index = Message;

function Message:set(name, value)
	for i = #self.headers, 1, -1 do
		if sip.canonical(self.headers[i][1]) == name:lower() then
			if value then self.headers[i][2] = value; return; end
			table.remove(self.headers, i);
		end
	end
	if value then self:add(name, value); end
end

function Message:add(name, value)
	table.insert(self.headers, { name, value });
end

local function pidf(state)
	local word = (state == "away" or state == "busy") and "<ep:activities><ep:activity>" .. state .. "</ep:activity></ep:activities>"
		or "";
	return '<?xml version="1.0" encoding="utf-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" '
		.. 'xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" '
		.. 'entity="sip:romeo@fabrikam.com">\n<tuple id="0">\n<status>\n<basic>' .. (state == "offline" and "closed" or "open")
		.. "</basic>\n" .. word .. "\n</status>\n</tuple>\n<ci:display-name>Romeo</ci:display-name>\n</presence>";
end

return function (Bridge, own)
	Bridge.pidf = pidf;

	local function spoilt(self, kind, message)
		setmetatable(message, Message);
		local spoil = self.spoil and self.spoil[kind];
		if spoil then spoil(message); end
		return message;
	end

	local function request_in(self, dialog, method, parts)
		self.number, dialog.cseq = self.number + 1, (dialog.cseq or 0) + 1;
		local headers = { { "Via", "SIP/2.0/TLS xmpp.contoso.com:5061;branch=z9hG4bK-p" .. self.number } };
		for _, route in ipairs(dialog.route or {}) do headers[#headers + 1] = { "Route", route }; end
		if not dialog.route then headers[#headers + 1] = { "Record-Route", own.own }; end
		for _, header in ipairs({ { "Max-Forwards", 70 }, { "From", dialog.from }, { "To", dialog.to }, { "Call-ID", dialog.call_id },
			{ "CSeq", dialog.cseq .. " " .. method }, { "Contact", own.contact }, own.verified, { "Event", "presence" } }) do
			headers[#headers + 1] = { header[1], header[2] };
		end
		for _, header in ipairs(parts.headers) do headers[#headers + 1] = header; end
		local message = spoilt(self, method, { headers = headers, body = parts.body, uri = dialog.target });
		self:connect():send(sip.bytes(method .. " " .. message.uri .. " SIP/2.0", message.headers, message.body));
	end

	-- ------------------------------------------------------------------------------ romeo watches lena --

	--- A new subscription. options: expires, accept.
	function Bridge:subscribe(options)
		local o = options or {};
		self.watches = (self.watches or 0) + 1;
		self.watch = { from = '"Romeo" <sip:romeo@fabrikam.com>;tag=w' .. self.watches, to = "<sip:lena@contoso.com>",
			call_id = "watch-" .. self.watches .. "@xmpp.contoso.com", target = "sip:lena@contoso.com" };
		return self:resubscribe(o);
	end

	function Bridge:resubscribe(options)
		local o = options or {};
		request_in(self, self.watch, "SUBSCRIBE", { headers = { { "Accept", o.accept or PIDF }, { "Expires", o.expires or 28800 } } });
	end

	function Bridge:presence_answered(message, method)
		local watch = self.watch;
		if method ~= "SUBSCRIBE" then self.notify_status = message.status; return; end
		self.subscribe_status, self.subscribe_response = message.status, message;
		if message.status ~= 200 or watch.route then return; end
		watch.route = {};
		for _, route in ipairs(sip.list(message, "Record-Route")) do table.insert(watch.route, 1, route); end
		table.remove(watch.route, 1); -- our own
		watch.to, watch.target = sip.get(message, "To"), sip.address(sip.get(message, "Contact")).uri;
	end

	-- ------------------------------------------------------------------------------ lena watches romeo --

	--- Tell a watcher. state: of the subscription.
	function Bridge:notify(dialog, state)
		local body, kind = self.document or pidf(self.romeo or "available"), self.document_type or PIDF;
		request_in(self, dialog, "NOTIFY", { headers = { { "Subscription-State", state or "active;expires=" .. dialog.expires },
			{ "Content-Type", kind } }, body = body });
	end

	--- Romeo is so now.
	function Bridge:is(state)
		self.romeo = state;
		for _, dialog in ipairs(self.watchers or {}) do
			if not dialog.over then self:notify(dialog); end
		end
	end

	local function dialog_of(self, request)
		local tag = sip.params(sip.get(request, "To")).tag;
		self.watchers = self.watchers or {};
		for _, dialog in ipairs(self.watchers) do
			if dialog.tag == tag and not dialog.over then return dialog; end
		end
		if tag then return nil; end
		local dialog = { tag = "n" .. #self.watchers + 1 };
		dialog.from, dialog.to = sip.get(request, "To") .. ";tag=" .. dialog.tag, sip.get(request, "From");
		dialog.call_id, dialog.target = sip.get(request, "Call-ID"), sip.address(sip.get(request, "Contact")).uri;
		dialog.route = sip.list(request, "Record-Route");
		table.insert(self.watchers, dialog);
		return dialog;
	end

	local function answer(self, request, conn, message, to)
		local headers = {};
		for _, via in ipairs(sip.list(request, "Via")) do headers[#headers + 1] = { "Via", via }; end
		for _, name in ipairs { "From", "Call-ID", "CSeq" } do headers[#headers + 1] = { name, sip.get(request, name) }; end
		headers[#headers + 1] = { "To", to or sip.get(request, "To") };
		headers[#headers + 1] = { own.verified[1], own.verified[2] };
		for _, header in ipairs(message.headers) do headers[#headers + 1] = header; end
		message.headers = headers;
		spoilt(self, request.method == "SUBSCRIBE" and "200" or "NOTIFY-200", message);
		conn:send(sip.bytes("SIP/2.0 " .. message.status .. " Whatever", message.headers, message.body));
	end

	local function take_subscribe(self, request, conn)
		local dialog = dialog_of(self, request);
		if not dialog then
			return answer(self, request, conn, { status = 481, headers = { { "ms-diagnostics-public", '2014;reason="none"' } } });
		end
		local first = not sip.params(sip.get(request, "To")).tag;
		dialog.expires = math.min(tonumber(sip.get(request, "Expires") or 3600), 3600);
		local headers = { { "Event", "presence" }, { "Expires", dialog.expires }, { "Contact", own.contact } };
		if first then
			headers[#headers + 1] = { "Record-Route", own.own };
			for _, route in ipairs(dialog.route) do headers[#headers + 1] = { "Record-Route", route }; end
		end
		if self.notify_first then self:notify(dialog); end
		self.loop:after(self.notify_first and 0.5 or 0, function ()
			answer(self, request, conn, { status = self.subscribe_answer or 200, headers = headers }, dialog.from);
		end);
		if dialog.expires == 0 then dialog.over = true; end
		if self.no_notify or self.notify_first then return; end
		self.loop:after(0.01, function ()
			self:notify(dialog, dialog.over and "terminated;reason=timeout" or nil);
		end);
	end

	function Bridge:take_presence(request, conn)
		if request.method == "SUBSCRIBE" then return take_subscribe(self, request, conn); end
		self.notified = self.notified or {};
		table.insert(self.notified, request);
		if self.deaf then return; end
		local headers = self.notify_answer == 481 and { { "ms-diagnostics-public", '2014;reason="none"' } } or {};
		answer(self, request, conn, { status = self.notify_answer or 200, headers = headers });
	end
end;
