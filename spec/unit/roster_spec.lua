-- The roster as Lua sees it; what it decides is for test/test_roster_*.c.
-- SPDX-License-Identifier: MIT

local core = require "lync_gateway.core";
local st = require "util.stanza";
local traces = require "spec.support.traces";

local now = 1790000000;
local contact, user = "romeo@fabrikam.com", "bob@contoso.com";

local function load(partners)
	return (core.settings("contoso.com", {
		lync_access_edge = "sip.contoso.com"; lync_bridge_fqdn = "xmpp.contoso.com";
		lync_partners = partners or { ["fabrikam.com"] = { partner_type = "federated" };
			["gmail.com"] = { partner_type = "public_unverified" };
			["bücher.example"] = { partner_type = "public_verified" } };
	}));
end
local settings = load();

describe("roster", function ()
	local roster;
	before_each(function ()
		roster = core.roster(nil, now);
		assert(roster:event(settings, { type = "worker", status = 1 }, now));
	end);
	after_each(function () roster:close(); end);

	local function drain()
		local list = {};
		for effect in function () return roster:next(settings, now); end do
			list[#list+1] = effect;
		end
		return list;
	end

	local function stanza(kind, more)
		local facts = { kind = kind; contact = contact; user = user };
		for k, v in pairs(more or {}) do facts[k] = v; end
		local ok, token = roster:stanza(settings, facts, now);
		return drain(), ok, token;
	end

	local function event(kind, more)
		local ev = { type = kind; contact = contact; user = user; status = 0 };
		for k, v in pairs(more or {}) do ev[k] = v; end
		assert.is_true(roster:event(settings, ev, now));
		return drain();
	end

	describe("says presence as a stanza", function ()
		local builders = require "spec.support.module".lib("presence").builders;

		local function same(expected, got)
			assert.is_true(st.is_stanza(got));
			assert.equal(#expected.tags, #got.tags);
			assert.equal(traces.xml(expected), traces.xml(got));
			for i, tag in ipairs(got.tags) do
				assert.is_true(st.is_stanza(tag));
				assert.equal(expected.tags[i]:get_text(), tag:get_text());
			end
			assert.truthy(tostring(st.clone(got):tag("x"):up()):find("<x/></presence>", 1, true));
		end

		-- What next would have said, built by util.stanza.
		local function said(name, given)
			local other = core.roster(nil, now);
			for _, r in ipairs { roster, other } do
				r:event(settings, { type = "worker"; status = 1 }, now);
				r:stanza(settings, { kind = "subscribe"; contact = name; user = user }, now);
				while r:next(settings, now) do end
				r:event(settings, { type = "watch"; watch = "active"; status = 200; contact = name; user = user }, now);
				while r:next(settings, now) do end
				local ev = { type = "state"; contact = name; user = user };
				for k, v in pairs(given) do ev[k] = v; end
				assert.is_true(r:event(settings, ev, now));
			end
			local fx = other:next(settings, now);
			other:close();
			local got, domain = roster:say(settings, now, st.stanza_mt);
			assert.is_nil((roster:say(settings, now, st.stanza_mt)));
			return builders.presence(fx), got, domain;
		end

		for _, presence in ipairs { "available"; "idle"; "busy"; "busy-idle"; "dnd"; "brb"; "away"; "off-work" } do
			for _, more in ipairs { {}; { display = "Bob <1>" }; { text = "at lunch & away"; display = "Böb" } } do
				it(presence.." "..(more.display or "")..(more.text or ""), function ()
					more.presence = presence;
					local expected, got, domain = said(contact, more);
					same(expected, got);
					assert.equal("fabrikam.com", domain);
				end);
			end
		end

		it("to a domain in its own letters, and unavailable", function ()
			local expected, got, domain = said("romeo@bücher.example", { presence = "busy" });
			same(expected, got);
			assert.equal("romeo@bücher.example", got.attr.to);
			assert.equal("bücher.example", domain);
			roster:event(settings, { type = "state"; presence = "offline"; contact = "romeo@bücher.example"; user = user }, now);
			got = roster:say(settings, now, st.stanza_mt);
			assert.equal("unavailable", got.attr.type);
			assert.equal(0, #got);
		end);

		it("and other effects as tables, those that wait first", function ()
			roster:stanza(settings, { kind = "subscribe"; contact = contact; user = user }, now);
			local fx, domain = roster:say(settings, now, st.stanza_mt);
			assert.same({ "watch", nil }, { fx.kind, domain });
		end);
	end);

	it("lets a contact watch a user", function ()
		assert.same({ { to = "bridge"; kind = "watch"; contact = contact; user = user; verified = true; notes = true;
			display = "Romeo" } }, (stanza("subscribe", { display = "Romeo"; contact = "Romeo@Fabrikam.com/garden" })));
		assert.same({ { to = "contact"; kind = "subscribed"; contact = contact; user = user } },
			event("watch", { watch = "active"; status = 200 }));
		assert.same({ { to = "contact"; kind = "presence"; contact = contact; user = user; presence = "off-work";
			show = "xa"; note = "gone"; display = "Bob" } },
			event("state", { presence = "off-work"; text = "gone"; display = "Bob" }));
		assert.same({ { to = "contact"; kind = "presence"; contact = contact; user = user; presence = "offline";
			show = "unavailable" } }, event("state", { presence = "offline" }));
	end);

	it("lets a user watch a contact", function ()
		assert.same({
			{ to = "bridge"; kind = "presence"; contact = contact; user = user; presence = "offline"; verified = true;
				notes = true };
			{ to = "bridge"; kind = "answer"; contact = contact; user = user; id = 7; status = 200; verified = true;
				notes = false };
			{ to = "contact"; kind = "subscribe"; contact = contact; user = user; display = "Bob" };
		}, event("subscribe", { id = 7; added = true; display = "Bob" }));
		assert.same("probe", stanza("subscribed")[1].kind);
		assert.same({ { to = "bridge"; kind = "presence"; contact = contact; user = user; presence = "away";
			note = "lunch"; lang = "en"; verified = true; notes = true } },
			(stanza("available", { contact = contact.."/r"; show = "away"; status = "lunch"; lang = "en" })));
		assert.is_true(roster:listed(settings, contact, user, now));
		assert.is_false(roster:listed(settings, contact, "carol@contoso.com", now));
	end);

	it("refuses with a reason", function ()
		local effects, ok, token = stanza("subscribe", { contact = "x@gmail.com" });
		assert.same({ nil, "not-on-contact-list" }, { ok, token });
		assert.same({ to = "contact"; kind = "unsubscribed"; contact = "x@gmail.com"; user = user;
			token = "not-on-contact-list"; text = effects[1].text }, effects[1]);
		effects, ok, token = stanza("subscribe", { contact = "x@stranger.com" });
		assert.same({ nil, "not-a-partner" }, { ok, token });
		assert.same({ "error", "cancel", "not-allowed" },
			{ effects[1].kind, effects[1].error_type, effects[1].condition });
		assert.is_string(effects[1].text);
	end);

	it("writes addresses as Prosody does", function ()
		local effects = stanza("subscribe", { contact = "Leser@Bücher.example/x" });
		assert.equal("leser@bücher.example", effects[1].contact);
		assert.equal(user, roster:dirty());
		assert.same({ ["leser@bücher.example"] = "p- 0 0" }, roster:pairs_of(user));
	end);

	it("is saved and loaded", function ()
		assert.is_nil(roster:dirty());
		stanza("subscribe");
		assert.equal(user, roster:dirty());
		assert.is_nil(roster:dirty());
		assert.is_true(roster:dirty_again(user));
		assert.equal(user, roster:dirty());
		local saved = roster:pairs_of(user);
		assert.same({ [contact] = "p- 0 0" }, saved);
		assert.is_nil(roster:pairs_of("nobody@contoso.com"));

		local second <close> = core.roster({ pairs = 10 }, now);
		saved["junk"], saved[7], saved["a@fabrikam.com"] = "p- 0 0", "x", "p- 0";
		assert.same({ 1, 3 }, { second:load(user, saved, now) });
		assert.same({ [contact] = "p- 0 0" }, second:pairs_of(user));
		assert.is_nil(second:next(settings, now));
		second:event(settings, { type = "worker", status = 1 }, now);
		second:tick(settings, now);
		assert.equal("watch", second:next(settings, now).kind);

		stanza("unsubscribe");
		assert.equal(user, roster:dirty());
		assert.is_nil(roster:pairs_of(user));
	end);

	it("says again what the bridge did not take", function ()
		roster:stanza(settings, { kind = "subscribe"; contact = contact; user = user }, now);
		local effect = roster:next(settings, now);
		assert.equal("watch", effect.kind);
		roster:again(effect);
		assert.same(effect, roster:next(settings, now));
		assert.is_nil(roster:next(settings, now));
	end);

	it("follows the settings", function ()
		stanza("subscribe");
		local other = load { ["gmail.com"] = { partner_type = "federated" } };
		roster:settings();
		assert.is_number(roster:tick(other, now));
		assert.equal("unwatch", roster:next(other, now).kind);
		assert.is_nil(roster:next(other, now));
	end);

	it("limits a partner", function ()
		for i = 1, 500 do
			assert.is_true(roster:may_address(settings, contact, "u"..i.."@contoso.com", now));
		end
		assert.same({ nil, "recipient-limit" },
			{ (roster:may_address(settings, contact, "u501@contoso.com", now)),
				(select(2, roster:may_address(settings, contact, "u501@contoso.com", now))) });
		for _ = 1, 49 do
			assert.is_false(roster:outcome(settings, contact, 404, now));
		end
		assert.is_true(roster:outcome(settings, contact, 404, now));
		assert.equal("partner-quarantined", select(2, roster:may_address(settings, contact, user, now)));
		assert.equal(1, roster:counts(now).quarantined);
		local effects = stanza("subscribe");
		assert.same({ "error", "wait", "resource-constraint" },
			{ effects[1].kind, effects[1].error_type, effects[1].condition });
	end);

	it("shows and explains", function ()
		stanza("subscribe");
		local rows, cursor = roster:rows();
		assert.equal(1, #rows);
		assert.same({ contact, user, "pending", "none", true, "none" },
			{ rows[1].contact, rows[1].user, rows[1]["in"], rows[1].out, rows[1].watching, rows[1].watch });
		assert.same({}, (roster:rows(cursor)));
		assert.same({ { ["fabrikam.com"] = 1 }, {}, cursor }, { roster:tally() });
		assert.same({ {}, {} }, { roster:tally(cursor) });
		local why = roster:explain(settings, contact, user, now);
		assert.same({ true, "fabrikam.com", "federated", "waiting", "wait", "not-subscribed", "user-adds-contact",
			"allowed", "none" }, { why.known, why.partner, why.partner_type, why.sees_user, why.sees_user_remedy,
			why.sees_contact, why.sees_contact_remedy, why.messages, why.messages_remedy });
		assert.is_false(roster:explain(settings, "x@gmail.com", user, now).known);
		assert.equal("bad-jid", select(2, roster:explain(settings, "fabrikam.com", user, now)));
		local counts = roster:counts(now);
		assert.same({ 1, 1, 1, 1, 0 }, { counts.pairs, counts.contacts, counts.users, counts.active, counts.waiting });
		assert.is_true(counts.bytes > counts.table_bytes);
		assert.is_true(roster:finish(contact, user, { ["in"] = true }));
		local ended = drain();
		assert.same({ "unwatch", "unsubscribed" }, { ended[1].kind, ended[2].kind });
		assert.is_false(roster:finish("nobody@fabrikam.com", user));
	end);

	it("raises on misuse", function ()
		for _, f in ipairs {
			function () core.roster(nil); end;
			function () core.roster({ pairs = -1 }, now); end;
			function () roster:stanza(settings, { kind = "groupchat" }, now); end;
			function () roster:stanza(settings, {}, now); end;
			function () roster:stanza(settings, { kind = "probe"; contact = 5 }, now); end;
			function () roster:stanza({}, { kind = "probe" }, now); end;
			function () roster:stanza(settings, { kind = "probe" }); end;
			function () roster:stanza(settings, { kind = "probe" }, -1); end;
			function () roster:event(settings, { type = "watch"; watch = "odd" }, now); end;
			function () roster:event(settings, nil, now); end;
			function () roster:next(settings); end;
			function () roster:load(user, "x", now); end;
			function () roster.next({}, settings, now); end;
		} do
			assert.has_error(f);
		end
		assert.is_true(roster:event(settings, { type = "typing" }, now));
		roster:close();
		roster:close();
		assert.has_error(function () roster:next(settings, now); end, "roster is closed");
	end);
end);
