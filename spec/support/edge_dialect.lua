-- edge_dialect.lua: is a presence document of the bridge's one that Lync reads in full? Findings as text, none when it is.
-- SPDX-License-Identifier: MIT
-- Source: reference lync-sip.md 3.2, 3.4, 3.5. Stricter than a Lync client: what the client overlooks is a mistake here.

local documents = require "spec.support.edge_documents";
local xml = require "spec.support.xml";

local NS = documents.namespaces;
local dialect = {};

local function finder()
	local found = {};
	return found, function (ok, format, ...)
		if not ok then found[#found + 1] = format:format(...); end
		return ok;
	end;
end

-- The children are of these names, at most so many times each: { name = count }. Further ones are a finding.
local function children(claim, element, allowed)
	local counts = {};
	for _, child in ipairs(element:childs()) do
		counts[child.name] = (counts[child.name] or 0) + 1;
		claim(allowed[child.name], "<%s> in <%s>", child.name, element.name);
	end
	for name, most in pairs(allowed) do claim((counts[name] or 0) <= most, "%d times <%s>", counts[name] or 0, name); end
	return counts;
end

local function namespace(claim, element, xmlns)
	claim(element.xmlns == xmlns, "<%s> is of namespace %s", element.name, element.xmlns);
end

local checks = {};

local function pidf_status(claim, status)
	children(claim, status, { basic = 1; activities = 1 });
	local basic = status:child_text("basic");
	claim(basic == "open" or basic == "closed", "<basic> is %s", tostring(basic));
	local activities = status:child("activities");
	if not activities then return; end
	namespace(claim, activities, NS.activities);
	claim(basic == "open", "activities of somebody who is closed");
	local words = children(claim, activities, { activity = 1 });
	claim(words.activity == 1, "no <activity>");
	for _, activity in ipairs(activities:childs()) do
		namespace(claim, activity, NS.activities);
		local word = activity:text();
		claim(word == "busy" or word == "away", "activity %q: Lync reads busy and away", word);
	end
end

function checks.pidf(claim, root, contact)
	claim(root.name == "presence", "the root is <%s>", root.name);
	namespace(claim, root, NS.pidf);
	claim(root.attr.entity == "sip:" .. contact, "entity %s, not sip:%s", tostring(root.attr.entity), contact);
	children(claim, root, { tuple = 1; ["display-name"] = 1 });
	local name, tuple = root:child("display-name"), root:child("tuple");
	if name then
		namespace(claim, name, NS.cipid);
		claim(name:text() ~= "", "an empty display-name");
	end
	if not claim(tuple, "no <tuple>") then return; end
	namespace(claim, tuple, NS.pidf);
	claim(tuple.attr.id, "a tuple without id");
	local counts = children(claim, tuple, { status = 1 });
	if claim(counts.status, "no <status>") then pidf_status(claim, tuple:child("status")); end
end

function checks.msrtc(claim, root, contact)
	claim(root.name == "presentity", "the root is <%s>", root.name);
	namespace(claim, root, NS.msrtc);
	claim(root.attr.uri == contact, "uri %s, not %s", tostring(root.attr.uri), contact);
	for _, name in ipairs { "availability"; "activity" } do
		local element = root:child(name);
		local value = element and element.attr.aggregate or "";
		claim(value:match("^%d+$") and tonumber(value) < 1000, "%s aggregate %q", name, value);
	end
end

local CANONICAL = { [3500] = true; [5000] = true; [6500] = true; [7500] = true; [9500] = true; [12500] = true; [15500] = true;
	[18500] = true };
local TOKENS = { ["urgent-interruptions-only"] = 9500; ["off-work"] = 15500; ["out-of-office"] = 15500; ["on-the-phone"] = 6500;
	["in-a-conference"] = 6500; ["in-a-meeting"] = 6500 };

local contents = {};

function contents.state(claim, category)
	local state = category:child("state");
	if not claim(state, "a state category without <state>") then return; end
	namespace(claim, state, NS.state);
	local kind = state.attr[NS.xsi .. "\1type"];
	claim(kind == "aggregateState", "state of type %s", tostring(kind));
	local number = tonumber(state:child_text("availability") or "");
	claim(number and CANONICAL[number], "availability %s", tostring(state:child_text("availability")));
	local activity = state:child("activity");
	local token = activity and activity.attr.token;
	if token then claim(TOKENS[token] == number, "token %s with availability %s", token, tostring(number)); end
	if number == 9500 then claim(token, "do not disturb without its token"); end
end

function contents.note(claim, category)
	local note = category:child("note");
	if not note then return; end
	namespace(claim, note, NS.note);
	children(claim, note, { body = 1 });
	local body = note:child("body");
	if body then claim(body.attr.type == "personal", "a note of type %s", tostring(body.attr.type)); end
end

function contents.contactCard(claim, category)
	local card = category:child("contactCard");
	if claim(card, "a contactCard category without <contactCard>") then namespace(claim, card, NS.card); end
end

function contents.services(claim, category)
	claim(category:child("services"), "a services category without <services>");
end

function checks.categories(claim, root, contact)
	claim(root.name == "categories", "the root is <%s>", root.name);
	namespace(claim, root, NS.categories);
	claim(root.attr.uri == "sip:" .. contact, "uri %s, not sip:%s", tostring(root.attr.uri), contact);
	local counts = {};
	for _, category in ipairs(root:childs()) do
		local name = category.attr.name or "";
		claim(category.name == "category" and contents[name], "<%s name=%q>", category.name, name);
		counts[name] = (counts[name] or 0) + 1;
		for _, key in ipairs { "instance"; "container"; "version"; "expireType"; "publishTime" } do
			claim(category.attr[key], "category %s without %s", name, key);
		end
		local time = category.attr.publishTime or "2024-05-02T09:30:00.000Z";
		claim(time:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"), "publishTime %s", time);
		if contents[name] then contents[name](claim, category); end
	end
	claim(counts.state == 1, "%d state categories", counts.state or 0);
	claim((counts.note or 0) <= 1, "%d note categories", counts.note or 0);
end

--- What is wrong with a document (documents.read) about that contact.
function dialect.document(doc, contact)
	local found, claim = finder();
	checks[doc.form](claim, doc.root, contact);
	return found;
end

--- What is wrong with a SUBSCRIBE's body of a watcher that asks for categories.
function dialect.batch(body, watcher, user)
	local found, claim = finder();
	local root, why = xml.document(body);
	if not claim(root, "not well-formed: %s", tostring(why)) then return found; end
	claim(root.name == "batchSub", "the root is <%s>", root.name);
	namespace(claim, root, "http://schemas.microsoft.com/2006/01/sip/batch-subscribe");
	claim(root.attr.uri == "sip:" .. watcher, "uri %s, not sip:%s", tostring(root.attr.uri), watcher);
	local action = root:child("action");
	if not claim(action and action.attr.name == "subscribe", "no <action name=\"subscribe\">") then return found; end
	claim(action.attr.id, "an action without id");
	local list = action:child("adhocList");
	local resources = list and list:childs() or {};
	claim(#resources == 1 and resources[1].attr.uri == "sip:" .. user, "%d resources, the first is %s", #resources,
		tostring(resources[1] and resources[1].attr.uri));
	local categories, wanted = action:child("categoryList"), {};
	for _, category in ipairs(categories and categories:childs() or {}) do wanted[category.attr.name or ""] = true; end
	claim(wanted.state and wanted.note, "state and note are not among the categories");
	return found;
end

return dialect;
