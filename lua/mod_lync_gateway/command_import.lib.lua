-- prosodyctl mod_lync_gateway import
-- SPDX-License-Identifier: MIT

local json = require "util.json";
local resolve_relative_path = require "util.paths".resolve_relative_path;

local options = module:require "options";
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

local flags = { ["--commit"] = "commit"; ["--json"] = "json"; ["--accept-numbers"] = "accept_numbers" };

-- args -> { file, host, commit, json, accept_numbers } or nil, what is wrong
local function parse(args)
	local parsed, i = {}, 1;
	while args[i] do
		local arg = args[i];
		if flags[arg] then
			parsed[flags[arg]] = true;
		elseif arg == "--host" and args[i+1] then
			parsed.host, i = args[i+1], i + 1;
		elseif arg:sub(1, 7) == "--host=" then
			parsed.host = arg:sub(8);
		elseif arg:sub(1, 1) == "-" or parsed.file then
			return nil, "Unexpected argument: "..arg;
		else
			parsed.file = arg;
		end
		i = i + 1;
	end
	if not parsed.file then
		return nil, "A file is missing";
	end
	return parsed;
end

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

-- The options of the host that bear on validation, as they stand in the configuration.
local function raw_options(env, host)
	local raw, config = {}, env.config[host];
	for _, key in ipairs(options.keys) do
		raw[key] = config[key];
	end
	return raw;
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

local function outcome_of(env, host, items, parsed)
	local count = report.count(items);
	if count.written == 0 then
		return { committed = false; message = "Nothing to write." };
	elseif not parsed.commit then
		return { committed = false; message = ("Dry run: nothing was written. --commit writes %d object(s)."):format(count.written) };
	end
	local path, err = import.write(env, host, items);
	if not path then
		return nil, err;
	end
	return { committed = true; path = path;
		message = ("Wrote %d object(s) into %s. prosodyctl reload takes them over."):format(count.written, path) };
end

local function fail(env, parsed, message, status, line)
	if parsed.json then
		env.print(json.encode_ordered { error = message; line = line; file = parsed.file });
	else
		env.print("error: "..message);
	end
	return status;
end

-- command: the library `command`
function import.run(env, args, command)
	local parsed, wrong = parse(args);
	if not parsed then
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local host, missing, status = one_host(env, command, parsed.host);
	if not host then
		return fail(env, parsed, missing, status);
	end
	local bytes, unreadable = read_file(parsed.file);
	if not bytes then
		return fail(env, parsed, unreadable, 1);
	end
	local content, problem = read.bytes(bytes);
	if not content then
		return fail(env, parsed, ("%s%s: %s%s"):format(text.printable(parsed.file, 1024),
			problem.line and ", line "..problem.line or "", problem.format and problem.format..": " or "", problem.text), 1,
			problem.line);
	end
	local raw = raw_options(env, host);
	local items = plan.make(env.core, host, raw, map.items(content.rows), parsed);
	local outcome, failed = outcome_of(env, host, items, parsed);
	if not outcome then
		return fail(env, parsed, failed, 1);
	end
	local head = { file = text.printable(parsed.file, 1024); format = content.format; encoding = content.encoding; host = host };
	local general = report.general(items, raw);
	if parsed.json then
		env.print(json.encode_ordered(report.table(head, items, general, outcome)));
	else
		env.print(report.text(head, items, general, outcome));
	end
	return report.status(report.count(items));
end

-- Write what is new or different through the managed file: its path | nil, what is wrong
function import.write()
	return nil, "writing is not available yet";
end

return import;
