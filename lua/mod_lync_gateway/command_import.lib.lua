-- prosodyctl mod_lync_gateway import
-- SPDX-License-Identifier: MIT

local json = require "util.json";
local resolve_relative_path = require "util.paths".resolve_relative_path;

local arguments = module:require "arguments";
local managed = module:require "managed";
local edit = module:require "managed_edit";
local read = module:require "import_read";
local map = module:require "import_map";
local plan = module:require "import_plan";
local report = module:require "import_report";
local text = module:require "import_text";

local import = {};

import.usage = [[
  import FILE [--host HOST] [--commit] [--accept-numbers] [--json]
                           what becomes of the partners, gateway settings and
                           external access policies that the Lync side
                           exported (Export-Clixml, ConvertTo-Json,
                           Export-Csv); --commit writes it
]];

local kinds = { host = "value"; commit = "flag"; json = "flag"; ["accept-numbers"] = "flag" };

-- The file's bytes | nil, what is wrong
local function read_file(file)
	-- COMPAT(0.12, 13.0): prosodyctl has changed the working directory to Prosody's data.
	local here = os.getenv("PWD");
	local f, err = io.open(here and resolve_relative_path(here, file) or file, "rb");
	if not f then
		return nil, ("%s; prosodyctl reads it as Prosody's user, who has to have access"):format(err);
	end
	local bytes;
	bytes, err = f:read(read.limit + 1);
	f:close();
	if err then
		return nil, ("%s: %s"):format(file, err);
	end
	return bytes or "";
end

local function one_host(env, command, wanted)
	local hosts, missing = command.select(env, wanted);
	if not hosts then
		return nil, missing, 1;
	elseif #hosts > 1 then
		return nil, ("which host? Say --host and one of %s"):format(table.concat(hosts, ", ")), 2;
	end
	return hosts[1];
end

-- Hosts on one bridge have to agree on some settings: with which this one does not, if so.
local function conflict(env, host, settings, command)
	local loaded = {};
	for _, name in ipairs(command.hosts(env.config)) do
		loaded[name] = { settings = name == host and settings or (env.load(name)) };
	end
	return env.conflicts(loaded)[host];
end

-- t: { env, host, doc, raw = the configuration's options, command }. Put into the managed file what is new or
-- different: true | nil, what is wrong
local function write(t, items, file)
	local doc, host = t.doc, t.host;
	local comments = { "-- Imported from "..text.printable(file:match("[^/]+$") or file, 200) };
	for _, item in ipairs(items) do
		if plan.writes(item) then
			if item.kind == "settings" then
				managed.set_settings(doc, host, item.merged);
			else
				local set = item.kind == "partner" and managed.set_partner or managed.set_policy;
				set(doc, host, item.name, item.merged, item.status == "new" and comments or nil);
			end
		end
	end
	local errors, _, settings = managed.check(t.env.core, host, t.raw, doc);
	local wrong = errors[1] and errors[1].text or conflict(t.env, host, settings, t.command);
	if wrong then
		return nil, "nothing was written: with these entries the configuration would have a mistake: "..wrong;
	end
	local ok, err = managed.save(doc, t.env.managed_path, t.env.config_file);
	if not ok then
		return nil, ("nothing was written: %s%s"):format(err, err:find("ermission denied")
			and "; do it as root: prosodyctl --root mod_lync_gateway import …" or "");
	end
	return true;
end

local function outcome_of(t, items, parsed)
	local path = t.env.managed_path;
	local count = report.count(items);
	if count.written == 0 then
		return { committed = false; message = "Nothing to write." };
	elseif not parsed.commit then
		return { committed = false; message = ("Dry run: nothing was written. --commit writes %d object(s) into %s.")
			:format(count.written, path) };
	end
	local ok, err = write(t, items, parsed[1]);
	if not ok then
		return nil, err;
	end
	return { committed = true; path = path; message = ("Wrote %d object(s) into %s; prosodyctl reload puts them in force.")
		:format(count.written, path) };
end

local function fail(env, parsed, message, status, line)
	if parsed.json then
		env.print(json.encode_ordered { error = message; line = line; file = parsed[1] });
	else
		env.print("error: "..message);
	end
	return status;
end

-- content of the file | nil, what is wrong, line
local function load(file)
	local bytes, unreadable = read_file(file);
	if not bytes then
		return nil, unreadable;
	end
	local content, problem = read.bytes(bytes);
	if not content then
		return nil, ("%s%s: %s%s"):format(text.printable(file, 1024), problem.line and ", line "..problem.line or "",
			problem.format and problem.format..": " or "", problem.text), problem.line;
	end
	return content;
end

-- The managed file | nil, what is wrong
local function load_managed(env)
	if env.managed_error then
		return nil, env.managed_error;
	elseif not env.managed_path then
		return nil, "lync_partners_file = false: there is no file that commands write; take that line out of the "
			.."configuration";
	end
	return managed.read(env.managed_path);
end

-- command: the library `command`
function import.run(env, args, command)
	local parsed, wrong = arguments.parse(args, kinds, 1);
	if not parsed or not parsed[1] then
		wrong = wrong or "A file is missing";
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local host, missing, status = one_host(env, command, parsed.host);
	if not host then
		return fail(env, parsed, missing, status);
	end
	local content, unreadable, line = load(parsed[1]);
	local doc, unmanaged = load_managed(env);
	if not content or not doc then
		return fail(env, parsed, unreadable or unmanaged, 1, line);
	end
	local t = { env = env; host = host; doc = doc; raw = env.raw(host); command = command };
	local raw = managed.merge(host, t.raw, doc);
	local function origin(option, name)
		local found = edit.origin(t, option, name);
		return found and not found.managed and edit.describe(found) or nil;
	end
	local items = plan.make(env.core, host, raw, map.items(content.rows),
		{ origin = origin; accept_numbers = parsed["accept-numbers"] });
	local outcome, failed = outcome_of(t, items, parsed);
	if not outcome then
		return fail(env, parsed, failed, 1);
	end
	local head = { file = text.printable(parsed[1], 1024); format = content.format; encoding = content.encoding;
		host = host };
	local general = report.general(items, raw);
	if parsed.json then
		env.print(json.encode_ordered(report.table(head, items, general, outcome)));
	else
		env.print(report.text(head, items, general, outcome));
	end
	return report.status(report.count(items));
end

return import;
