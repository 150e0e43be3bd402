-- Why something was refused: stable token -> error stanza, and -> SIP answer.
-- SPDX-License-Identifier: MIT
--
-- Of policy and streams the core knows what each side is told (core.refusal); here are the tokens of content, of the
-- bridge, and the gateway's own. Mapping conditions to SIP codes is core.to_status and core.to_condition.

local st = require "util.stanza";
local valid_utf8 = require "util.encodings".utf8.valid;

local errors = {};

local TEXT_MAX = 200; -- bytes of peer text carried over; the bridge takes 1100

local tokens = {
	-- policy
	["not-authorized"] = { "auth", "forbidden" };
	-- content
	["too-big"] = { "modify", "policy-violation" };
	["bad-text"] = { "modify", "not-acceptable" };
	["bad-uri"] = { "modify", "jid-malformed" };
	["not-sip"] = { "modify", "jid-malformed" };
	["no-user"] = { "modify", "jid-malformed" };
	["too-long"] = { "modify", "jid-malformed" };
	-- resources
	["full"] = { "wait", "resource-constraint" };
	["no-memory"] = { "wait", "resource-constraint" };
	["bridge-down"] = { "wait", "remote-server-timeout" };
	["no-stream"] = { "wait", "remote-server-timeout" };
	-- what the bridge says by itself about a message, where no peer gave a status (sipbridge.h: local)
	["bridge-died"] = { "wait", "remote-server-timeout" };
	["no-connection"] = { "wait", "remote-server-timeout" };
	["connection-lost"] = { "wait", "remote-server-timeout" };
	["timeout"] = { "wait", "remote-server-timeout" };
	["no-answer"] = { "wait", "recipient-unavailable" };
	["shutting-down"] = { "wait", "remote-server-timeout" };
	["queue-full"] = { "wait", "resource-constraint" };
	["bad-answer"] = { "modify", "not-acceptable" };
};

-- core.refusal, set by the module
function errors.refusal() return nil; end

function errors.condition(token)
	local entry = tokens[token];
	if entry then
		return entry[1], entry[2];
	end
	local refusal = errors.refusal(token);
	if refusal then
		return refusal.type, refusal.condition;
	end
	return "cancel", "internal-server-error";
end

-- A failed outcome in words, for the sender and for `lync explain`.
function errors.outcome_text(ev)
	local reason = errors.one_line(ev.reason);
	local text;
	if ev["local"] then
		text = ("%s (%s)"):format(reason or "Not delivered", ev.token or "failed");
	else
		text = ("SIP %d%s"):format(ev.status or 0, reason and " "..reason or "");
		if ev.token then
			text = ("%s (%s)"):format(text, ev.token);
		end
	end
	if ev.retry_after and ev.retry_after > 0 then
		text = ("%s; try again in %d seconds"):format(text, ev.retry_after);
	end
	return text;
end

-- Type and condition of a failed outcome: of its status, unless the bridge made it and says why.
function errors.outcome(ev)
	if ev["local"] and tokens[ev.token] then
		return errors.condition(ev.token);
	end
	return ev.error_type or "cancel", ev.condition or "internal-server-error";
end

-- An error stanza that answers `stanza`; nil when it must not be answered.
function errors.reply(stanza, token, text)
	local kind, condition = errors.condition(token);
	return errors.reply_with(stanza, kind, condition, ("%s (%s)"):format(text or "refused", token));
end

function errors.reply_with(stanza, kind, condition, text)
	local type_ = stanza.attr.type;
	if type_ == "error" or (stanza.name == "iq" and type_ == "result") then
		return nil;
	end
	return st.error_reply(stanza, kind, condition, text);
end

-- A line of peer text that a SIP header can carry: one line, bounded, whole characters.
function errors.one_line(text)
	if type(text) ~= "string" then return nil; end
	text = text:sub(1, TEXT_MAX):gsub("%c+", " ");
	for _ = 1, 4 do
		if valid_utf8(text) then break; end
		text = text:sub(1, -2);
	end
	if text == "" or not valid_utf8(text) then return nil; end
	return text;
end

-- token -> status, diagnostics code, text for bridge:answer.
function errors.answer(core, token, text)
	local kind, condition = errors.condition(token);
	return errors.answer_with(core, condition, true, kind, text or token);
end

function errors.answer_with(core, condition, full, kind, text)
	local status, phrase, diag, diag_text = core.to_status(condition, full, kind);
	return status, diag, errors.one_line(text) or diag_text or phrase;
end

return errors;
