-- cells_expected.lua: what must come of a cell, from Microsoft's matrix and docs/streams.md alone; the code is not asked.
-- SPDX-License-Identifier: MIT
--
--	expected.rows[7].methods["tls-dialback"]	--> true
--	expected.of(cell)	--> a list of outcomes, any of which is right (incoming_* and outgoing_* say which facts they have)
--
-- A fact may be a set of words written as "a|b"; "any" fits everything; a fact that is not there is not looked at. What is told
-- in words that the contract leaves open is "any", whether somebody gets in or out never is.

local expected = {};

local SASL, TLS, TCP = "sasl-tls", "tls-dialback", "tcp-dialback";
local WORDS = { ["SASL over TLS"] = SASL; ["TLS Dialback"] = TLS; ["TCP Dialback"] = TCP };

-- "Negotiation settings for XMPP federated partners": TLS, SASL, dialback, the cell "expected authentication method".
local R, O, N = "required", "optional", "not_supported";
local NOT_VALID = "Not Valid Configuration";
local TABLE = {
	{ R, R, true, "SASL over TLS" };
	{ R, R, false, "SASL over TLS" };
	{ O, R, true, "SASL over TLS, TLS Dialback, TCP Dialback" };
	{ O, R, false, "SASL over TLS" };
	{ N, R, true, "TCP Dialback" };
	{ N, R, false, NOT_VALID };
	{ R, O, true, "SASL over TLS, TLS Dialback" };
	{ R, O, false, "SASL over TLS" };
	{ O, O, true, "SASL over TLS, TLS Dialback, TCP Dialback" };
	{ O, O, false, "SASL over TLS" };
	{ N, O, true, "TCP Dialback" };
	{ N, O, false, NOT_VALID };
	{ R, N, true, "TLS Dialback" };
	{ R, N, false, NOT_VALID };
	{ O, N, true, "TLS Dialback, TCP Dialback" };
	{ O, N, false, NOT_VALID };
	{ N, N, true, "TCP Dialback" };
	{ N, N, false, NOT_VALID };
};

local function read_methods(text)
	local set = {};
	if text == NOT_VALID then return set; end
	for word in text:gmatch("[^,]+") do set[assert(WORDS[word:match("^%s*(.*)$")], word)] = true; end
	return set;
end

expected.rows = {};
for number, entry in ipairs(TABLE) do
	expected.rows[number] = { number = number, tls = entry[1], sasl = entry[2], dialback = entry[3],
		methods = read_methods(entry[4]) };
end
-- A domain that is in no list.
expected.rows.unlisted = { number = "unlisted", methods = {} };
-- The partner of whom piggybacking and changing names make use: everything is allowed to it.
expected.HOST_ROW = 9;

local function stranger(row) return next(row.methods) == nil; end
local function uses_tls(row) return row.methods[SASL] or row.methods[TLS]; end
local function only_external(row) return row.methods[SASL] and not row.methods[TLS] and not row.methods[TCP]; end

--- Names are taken from dNSName, SRVName and xmppAddr; chain and dates must be good, for a server.
expected.GOOD = { good = true, exact = true, wildcard = true, srv = true, xmpp = true, ["server-only"] = true };

-- ------------------------------------------------------------------------------------------------------------ inbound --
-- Facts: clear, secure: what was offered ("starttls!" is required); answer: what came of the attempt: "success",
-- "failure:CONDITION" (SASL), "result:KIND" and "result:error:CONDITION" (dialback), "starttls-failure", "silence", "closed",
-- "stream:CONDITION" (it was ended), one behind the other where there were two; method: authenticated by it, else nil (and no
-- message comes through).

local function offers_in_clear(row)
	local list = {};
	if row.methods[TCP] then list[1] = "dialback"; end
	if uses_tls(row) then list[#list + 1] = row.methods[TCP] and "starttls" or "starttls!"; end
	return table.concat(list, " ");
end

local function offers_over_tls(row, good)
	local list = {};
	if row.methods[SASL] and good then list[1] = "EXTERNAL"; end
	if row.methods[TLS] then list[#list + 1] = "dialback"; end
	return table.concat(list, " ");
end

local VOUCHED = {
	valid = "result:valid"; invalid = "result:invalid"; error = "any"; silent = "silence"; absent = "any"; unknown = "any";
};

local function dialback(row, cell, secure)
	local way = secure and TLS or TCP;
	if stranger(row) then return { answer = "result:error:not-allowed" }; end
	if not row.methods[way] then return { answer = "result:error:policy-violation" }; end
	return { answer = VOUCHED[cell.vouch], method = cell.vouch == "valid" and way or nil };
end

local NAMELESS = "failure:invalid-authzid|failure:encryption-required|stream:improper-addressing";

local function external(row, cell, secure, good)
	if not secure then
		if cell.from == "missing" then return { answer = NAMELESS }; end
		-- Where it is allowed with TLS: that is what lacks. Where it is not allowed at all: it is, or TLS is, as both are true.
		return { answer = row.methods[SASL] and "failure:encryption-required"
			or uses_tls(row) and "failure:invalid-mechanism|failure:encryption-required" or "failure:invalid-mechanism" };
	end
	if not row.methods[SASL] then return { answer = "failure:invalid-mechanism" }; end
	if not good then return { answer = "failure:not-authorized" }; end
	if cell.authzid == "other" then return { answer = "failure:invalid-authzid" }; end
	return { answer = "success", method = SASL };
end

local function attempt(row, cell, secure, good)
	if cell.auth == "EXTERNAL" then return external(row, cell, secure, good); end
	if cell.auth == "PLAIN" then return { answer = secure and "failure:invalid-mechanism"
		or "failure:invalid-mechanism|failure:encryption-required" }; end
	if cell.auth == "unsolicited" then return { answer = "any" }; end
	return dialback(row, cell, secure);
end

-- STARTTLS, and what the next header brings. first: the row of the name in the first header (nil: none). Gives an outcome when it
-- ends there, else nothing.
local function over_tls(row, first, cell, good)
	if first and not uses_tls(first) then return { answer = "starttls-failure stream:policy-violation" }; end
	if cell.tls == "garbage" or cell.tls == "cut" then return { answer = "any" }; end
	if cell.from == "changed" or cell.from == "changed-to" then return { answer = "stream:improper-addressing" }; end
	if cell.from == "missing" then return nil; end
	local judged = cell.piggyback and first or row;
	if stranger(judged) or not uses_tls(judged) then return { answer = "stream:policy-violation" }; end
	if only_external(judged) and not good then return { answer = "stream:not-authorized" }; end
end

local function first_row(row, cell)
	if cell.from == "missing" or cell.from == "late" then return nil; end
	if cell.piggyback or cell.from == "changed-to" then return expected.rows[expected.HOST_ROW]; end
	return row;
end

local function with_offers(outcome, clear, secure)
	outcome.clear, outcome.secure = clear, secure;
	return outcome;
end

local function incoming_direct(row, cell, good)
	if stranger(row) or not uses_tls(row) then return { { answer = "stream:policy-violation", clear = "", secure = "" } }; end
	if only_external(row) and not good then return { { answer = "stream:not-authorized", clear = "", secure = "" } }; end
	return { with_offers(attempt(row, cell, true, good), "", offers_over_tls(row, good)) };
end

local function incoming_clear(row, first, cell)
	if not first then return { with_offers(attempt(row, cell, false), "starttls") }; end
	local outcome = attempt(row, cell, false);
	if cell.after == "starttls" and outcome.method then outcome.answer = outcome.answer.." stream:policy-violation"; end
	return { with_offers(outcome, offers_in_clear(first)) };
end

-- Nobody's name in any header, over TLS: there is nothing to offer, and the stream may end at that; where it does not, db:result
-- names the domain, and SASL has no name to go by.
local function incoming_nameless(row, cell, good)
	local ended = { answer = "stream:any", clear = "starttls", secure = "" };
	if cell.auth == "EXTERNAL" then return { ended, { answer = "failure:invalid-authzid", clear = "starttls", secure = "" } }; end
	return { ended, with_offers(attempt(row, cell, true, good), "starttls", "") };
end

-- No XMPP 1.0: no features, so there is no early word. Direct TLS is TLS; whether STARTTLS is taken is left open, for it is not
-- offered: what is open is how somebody is kept out, and not who.
local function incoming_legacy(row, cell, good)
	if cell.tls == "none" then return { attempt(row, cell, false) }; end
	local outcome = attempt(row, cell, true, good);
	if not outcome.method then return { { answer = "any" } }; end
	return { outcome, cell.tls == "starttls" and { answer = "any" } or nil };
end

local function incoming(row, cell)
	local first, good = first_row(row, cell), expected.GOOD[cell.cert];
	if cell.version == "none" then return incoming_legacy(row, cell, good); end
	if cell.tls == "direct" then return incoming_direct(row, cell, good); end
	if first and stranger(first) then return { { answer = "stream:policy-violation", clear = "", secure = "" } }; end
	if cell.tls == "none" then return incoming_clear(row, first, cell); end
	local clear = first and offers_in_clear(first) or "starttls";
	local ended = over_tls(row, first, cell, good);
	if ended then return { with_offers(ended, clear, "") }; end
	if cell.from == "missing" then return incoming_nameless(row, cell, good); end
	return { with_offers(attempt(row, cell, true, good), clear, offers_over_tls(cell.piggyback and first or row, good)) };
end

-- ----------------------------------------------------------------------------------------------------------- outbound --
-- Facts: method: of the stream that brought the message, else nil; bounce: "TYPE/CONDITION" of the error that came back, "some":
-- whatever it says; stream: condition of the stream error that the partner got last; token: of the refusal in the log; streams: how
-- many were made; never: what must not have been seen, words of "stream", "starttls", "EXTERNAL", "clear-key", "secure-key".

local POLICY = "cancel/policy-violation";
local function refused(condition, token) return { bounce = POLICY, stream = condition, token = token, streams = "1" }; end

-- What comes of our key on the n-th stream, where the next one is in clear text if that is allowed.
local function key_sent(row, cell, way, n)
	local further = way == TLS and row.methods[TCP] and 1 or 0; -- when their server ends the stream
	if cell.dialback == "valid" then return { method = way, streams = n }; end
	if cell.dialback == "clear-only" then
		if way == TCP or further == 1 then return { method = TCP, streams = n + further }; end
		return { bounce = "some", streams = n };
	end
	if cell.dialback == "silent" then
		return { bounce = "wait/remote-server-timeout", stream = "connection-timeout", streams = n };
	end
	return { bounce = "some", streams = n + (cell.dialback == "unknown" and further or 0) };
end

local function in_clear_text(row, cell, n)
	if cell.starttls == "required" then return { bounce = "some", streams = n }; end -- their rule
	return key_sent(row, cell, TCP, n);
end

-- The token of a bad one; of the rest it is the name that is wrong.
local CERTIFICATE = { ["self-signed"] = "certificate-self-signed"; expired = "certificate-expired";
	["not-yet"] = "certificate-not-yet-valid"; foreign = "certificate-untrusted"; ["client-only"] = "certificate-untrusted" };

local function encrypted(row, cell)
	local good = expected.GOOD[cell.cert];
	if not row.methods[SASL] then return key_sent(row, cell, TLS, 1); end
	if not good then
		if row.methods[TLS] then return key_sent(row, cell, TLS, 1); end
		return refused("not-authorized", CERTIFICATE[cell.cert] or "certificate-wrong-name");
	end
	if cell.sasl == "accept" then return { method = SASL, streams = 1 }; end
	if cell.sasl == "gone" then return { bounce = "some", streams = 1 }; end -- no matter of the method
	if cell.sasl == "absent" then
		return row.methods[TLS] and key_sent(row, cell, TLS, 1) or refused("unsupported-feature", "sasl-not-offered");
	end
	if row.methods[TLS] then return key_sent(row, cell, TLS, cell.sasl == "refuse" and 1 or 2); end
	return { bounce = cell.sasl == "refuse" and "wait/remote-server-timeout" or "some", streams = 1 };
end

local function outgoing_outcome(row, cell)
	if stranger(row) then
		return { bounce = "cancel/not-allowed", token = row.tls and "partner-disabled" or "not-a-partner", streams = 0 };
	end
	if cell.dialback == "unsolicited" then return refused("not-authorized", "unsolicited-answer"); end
	if cell.version == "none" or cell.starttls == "absent" then
		if row.methods[TCP] then return in_clear_text(row, cell, 1); end
		if cell.version == "none" then return refused("unsupported-version", "version-too-old"); end
		return refused("policy-violation", "tls-required");
	end
	if not uses_tls(row) then return in_clear_text(row, cell, 1); end
	if cell.starttls == "offer" or cell.starttls == "required" then return encrypted(row, cell); end
	return row.methods[TCP] and in_clear_text(row, cell, 2) or { bounce = "some", streams = 1 }; -- TLS fails
end

-- Whether we may come to send our key in clear text: nothing better is there, or what is better was tried and the server ended it.
local function may_fall_to_clear_text(row, cell)
	if not row.methods[TCP] then return false; end
	if not uses_tls(row) or cell.starttls ~= "offer" and cell.starttls ~= "required" then return true; end
	return cell.dialback == "unknown" or cell.dialback == "clear-only";
end

local function outgoing(row, cell)
	local outcome, never = outgoing_outcome(row, cell), {};
	outcome.streams = tostring(outcome.streams);
	if stranger(row) then never.stream = true; end
	if not uses_tls(row) then never.starttls = true; end
	if not row.methods[SASL] or not expected.GOOD[cell.cert] then never.EXTERNAL = true; end
	if not row.methods[TLS] or outcome.method == SASL then never["secure-key"] = true; end
	if not may_fall_to_clear_text(row, cell) then never["clear-key"] = true; end
	outcome.never = never;
	return { outcome };
end

--- The outcomes, any of which is right.
function expected.of(cell)
	local row = expected.rows[cell.row];
	if cell.direction == "in" then return incoming(row, cell); end
	return outgoing(row, cell);
end

-- "a|b", "any", "stream:any"
local function fits(pattern, word)
	word = word or "nothing";
	if pattern == word then return true; end
	for choice in pattern:gmatch("[^|]+") do
		if choice == "any" or choice == word or choice == "some" and word ~= "nothing" then return true; end
		if choice == "stream:any" and word:find("^stream:") then return true; end
	end
	return false;
end

local FACTS = { "clear", "secure", "answer", "bounce", "stream", "token", "streams" };

local function wrong(outcome, actual)
	if outcome.method ~= actual.method then return "method"; end
	for _, fact in ipairs(FACTS) do
		if outcome[fact] and not fits(outcome[fact], actual[fact]) then return fact; end
	end
	for what in pairs(outcome.never or {}) do
		if actual.seen[what] then return "seen "..what; end
	end
	return nil;
end

--- nil: as it should be; else what is wrong (of the first outcome), in a word.
function expected.compare(cell, actual)
	local first;
	for _, outcome in ipairs(expected.of(cell)) do
		local problem = wrong(outcome, actual);
		if not problem then return nil; end
		first = first or problem;
	end
	return first;
end

return expected;
