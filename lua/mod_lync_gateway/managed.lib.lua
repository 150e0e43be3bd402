-- The managed file, lync-partners.cfg.lua: partners, policies and settings that commands write.
-- SPDX-License-Identifier: MIT
--
-- It stands beside Prosody's configuration and is read by this module as data (managed_parse), not by Prosody: there,
-- what a second file says of a host replaces the first one's, option by option, and a slip of the pen would stop every
-- host. The configuration goes first; the same partner, policy, grant, site or setting in both is an error.
--
--	managed.path(paths, option) -> path | nil: there is to be none | nil, error
--		paths.config: directory of the configuration; option: lync_partners_file
--	managed.read(path) -> doc | nil, error		no file: an empty doc
--	managed.get(doc, host, option, name) -> its table or value, line | nil
--	managed.set_partner(doc, host, domain, table | nil[, comments])		nil removes it; comments: lines, "-- …"
--	managed.set_policy(doc, host, name, table | nil[, comments])
--	managed.set_site(doc, host, name, list | nil[, comments])
--	managed.set_grant(doc, host, user, policy | nil[, comments])
--	managed.set_settings(doc, host, table)		key by key; managed.DEFAULT as value removes the key
--	managed.check(core, host, raw, doc[, about]) -> errors, warnings, settings		(below; raw: options.read's)
--	managed.save(doc, path[, reference]) -> true | nil, error	error where the file has changed since managed.read
--	managed.diff(doc) -> text | nil: no change. Without secrets.
--	managed.strangers(doc, hosts) -> list of { host, line }: what stands there for hosts that have no gateway
--	managed.options(doc, host) -> { lync_partners = …, … } as they would stand in the configuration
--	managed.load(core, host, raw, doc | nil, error) -> settings, problems: core.settings of both together
--	managed.reader(core, paths, option) -> function (host, raw) -> settings, problems: the same, of the file as it is now
--
-- A command reads, sets, checks, and saves if there are no errors:
--	local doc, err = managed.read(env.managed_path);
--	managed.set_partner(doc, host, "fabrikam.com", { partner_type = "federated" });
--	local errors, warnings = managed.check(env.core, host, env.raw(host), doc, { partner = "fabrikam.com" });

local resolve_relative_path = require "util.paths".resolve_relative_path;

local document = module:require "managed_document";
local file = module:require "managed_file";

local managed = setmetatable({}, { __index = document });

managed.NAME = "lync-partners.cfg.lua";

function managed.path(paths, option)
	if option == false then
		return nil;
	elseif option ~= nil and (type(option) ~= "string" or option == "") then
		return nil, ("lync_partners_file = %s: not a file's name; write it in quotes, or false for none"):format(
			type(option) == "string" and "\"\"" or tostring(option));
	end
	return resolve_relative_path(paths.config or ".", option or managed.NAME);
end

function managed.read(path)
	local text, err = file.read(path);
	if err then
		return nil, ("%s cannot be read (%s); give Prosody's user the right to"):format(path, err);
	end
	return managed.parse(path, text);
end

function managed.save(doc, path, reference)
	local text = document.render(doc);
	local ok, err = file.replace(path, doc.source, text, reference);
	if not ok then
		return nil, err;
	end
	doc.source = text;
	return true;
end

-- Together with the configuration

local function problem(host, key, message, remedy)
	return { level = "error"; host = host; key = key; message = message; remedy = remedy;
		text = ("%s: %s: %s; %s"):format(host, key, message, remedy) };
end

-- As the core writes it in its problems.
function managed.key(option, name)
	return name:find("^[%a_][%w_]*$") and option.."."..name or ("%s[%q]"):format(option, name);
end

-- raw: the configuration's, which goes first -> options of both, problems
function managed.merge(host, raw, doc)
	local merged, problems = {}, {};
	for key, value in pairs(raw) do
		merged[key] = value;
	end
	for option, values in pairs(managed.options(doc, host)) do
		local own = raw[option];
		if own == nil then
			merged[option] = values;
		elseif type(own) == "table" then -- else it is for the core to refuse
			local both = {};
			for name, value in pairs(values) do
				both[name] = value;
				if own[name] ~= nil then
					local _, line = managed.get(doc, host, option, name);
					table.insert(problems, problem(host, managed.key(option, name), ("stands in the configuration, which is in "
						.."force, and in %s line %d"):format(doc.path, line or 0), "remove one of them"));
				end
			end
			for name, value in pairs(own) do
				both[name] = value;
			end
			merged[option] = both;
		end
	end
	table.sort(problems, function (a, b) return a.key < b.key; end);
	return merged, problems;
end

-- A file that cannot be read shuts the host as any mistake of it does (a reload keeps what was in force): a policy that
-- may stand in it must not be taken for absent.
function managed.load(core, host, raw, doc, err)
	if not doc then
		local _, problems = core.settings(host, raw);
		table.insert(problems, 1, { level = "error"; host = host; key = managed.NAME; message = err;
			text = ("%s: %s"):format(host, err) });
		return core.settings(host, {}), problems;
	end
	local merged, ours = managed.merge(host, raw, doc);
	local settings, problems = core.settings(host, merged);
	for _, found in ipairs(ours) do
		table.insert(problems, found);
	end
	return settings, problems, merged;
end

function managed.reader(core, paths, option)
	local path, wrong = managed.path(paths, option);
	if not path and not wrong then return nil; end
	return function (host, raw)
		if wrong then
			return managed.load(core, host, raw, nil, wrong);
		end
		return managed.load(core, host, raw, managed.read(path));
	end;
end

local function is_about(about, found)
	if about.partner and found.partner and managed.canon_domain(found.partner) == managed.canon_domain(about.partner) then
		return true;
	end
	for _, key in ipairs(about.keys or {}) do
		if found.key:sub(1, #key) == key and not found.key:find("^[%w_]", #key + 1) then return true; end
	end
	return false;
end

-- What a change of doc brings: errors and warnings that were not there when doc was read, and, even if they were, those
-- of about.partner and of about.keys (as managed.key gives them).
function managed.check(core, host, raw, doc, about)
	local old = {};
	local _, problems = managed.load(core, host, raw, managed.parse(doc.path, doc.source));
	for _, found in ipairs(problems) do
		old[found.text] = true;
	end
	local errors, warnings, settings = {}, {};
	settings, problems = managed.load(core, host, raw, doc);
	for _, found in ipairs(problems) do
		if not old[found.text] or is_about(about or {}, found) then
			table.insert(found.level == "error" and errors or warnings, found);
		end
	end
	return errors, warnings, settings;
end

return managed;
