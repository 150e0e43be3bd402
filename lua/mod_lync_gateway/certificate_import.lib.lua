-- prosodyctl mod_lync_gateway certificate import: look at what the CA gave, refuse what would not work, put the rest
-- where Prosody and the bridge take it from, have both read it again.
-- SPDX-License-Identifier: MIT

local checks = module:require "certificate_checks";
local files = module:require "certificate_files";
local locations = module:require "certificate_locations";
local program = module:require "program";
local read = module:require "certificate_read";

local prosody = prosody;

local import = {};

import.kinds = { chain = "list"; cafile = "value"; key = "value"; role = "value"; whatif = "flag";
	["passphrase-file"] = "value" };

-- Files of keys that the certificate may belong to: asked for, waiting, in use.
local function key_candidates(parsed, targets, directory)
	local list = {};
	if parsed.key then return { { path = files.from_shell(parsed.key) } }; end
	for _, name in ipairs(files.list(directory, "^(.*)%.key$")) do
		list[#list+1] = { path = directory.."/"..name..".key"; request = name };
	end
	for _, target in ipairs(targets) do
		list[#list+1] = { path = target.key };
	end
	local path = files.from_shell(parsed[1]);
	if (files.read(path) or ""):find("PRIVATE KEY-----", 1, true) then
		list[#list+1] = { path = path; shown = parsed.shown };
	end
	return list;
end

-- The certificate in the file that one of the keys belongs to, and that key; else the first that is no CA's.
local function match(list, candidates)
	for _, candidate in ipairs(candidates) do
		local public_key = read.public_key(candidate.path);
		for _, cert in ipairs(public_key and list or {}) do
			if cert.public_key == public_key then return cert, candidate; end
		end
	end
	for _, cert in ipairs(list) do
		if not cert.is_ca then return cert; end
	end
	return list[1];
end

-- Whom to ask whether the chain is trusted: list of { by, arguments }
local function trust_sources(parsed, scope, roles)
	local only = { "-no-CApath"; "-no-CAstore"; "-CAfile" };
	local function file(path, what)
		return { by = ("%s (%s)"):format(path, what); path = path; args = { only[1], only[2], only[3], path } };
	end
	if parsed.cafile then return { file(files.from_shell(parsed.cafile), "--cafile") }; end
	local list = {};
	if roles.bridge and scope.bridge.cafile then
		list[1] = file(scope.bridge.cafile, "lync_bridge_certificate.cafile");
	end
	local own = roles.s2s and locations.of_host(scope.hosts[1]) or {};
	if own.cafile and not (list[1] and list[1].path == own.cafile) then list[#list+1] = file(own.cafile, "ssl.cafile"); end
	list[#list+1] = { by = "the system's CAs"; args = {} };
	return list;
end

-- openssl's verdict about leaf and chain by one source -> { ok, by, reason, missing }
local function verify(chain, source, purpose)
	local pems = {};
	for i = 2, #chain do
		pems[#pems+1] = chain[i].pem;
	end
	return program.with_file(chain[1].pem, function (leaf)
		return program.with_file(table.concat(pems), function (rest)
			local argv = { "openssl"; "verify"; "-show_chain"; "-no_check_time"; "-auth_level"; "2"; "-purpose"; purpose };
			table.move(source.args, 1, #source.args, #argv + 1, argv);
			if #pems > 0 then
				argv[#argv+1], argv[#argv+2] = "-untrusted", rest;
			end
			argv[#argv+1] = leaf;
			local ok, output = program.run(argv);
			return { ok = ok; by = source.by; output = output;
				reason = output:match("error %d+ at %d+ depth lookup: ([^\n]*)") or program.reason(output) };
		end);
	end);
end

-- A link of the chain, between ours and the root, that only the file of CAs has.
local function missing_link(output)
	local depths = {};
	for depth, words in output:gmatch("depth=(%d+): ([^\n]*)") do
		depths[tonumber(depth)] = words;
	end
	for depth = 1, #depths - 1 do
		if not depths[depth]:find(" (untrusted)", 1, true) then return depths[depth]; end
	end
end

local function trust_of(chain, sources, usage)
	local purpose = usage and not usage.server and not usage.any and "sslclient" or "sslserver";
	local verdict, names = nil, {};
	for _, source in ipairs(sources) do
		verdict = verify(chain, source, purpose);
		names[#names+1] = source.by;
		if verdict.ok then
			verdict.missing = missing_link(verdict.output);
			return verdict;
		end
	end
	verdict.by = table.concat(names, ", ");
	return verdict;
end

-- All certificates of FILE and --chain, or nil and what is wrong.
local function read_all(parsed)
	local list, err = read.file(files.from_shell(parsed[1]));
	if not list then return nil, err; end
	local all = table.move(list, 1, #list, 1, {});
	for _, path in ipairs(parsed.chain or {}) do
		local more;
		more, err = read.file(files.from_shell(path));
		if not more then return nil, err; end
		table.move(more, 1, #more, #all + 1, all);
	end
	return list, all;
end

local function judge(env, parsed, scope, roles, targets, directory)
	local list, all = read_all(parsed);
	if not list then return nil, all; end
	local candidates = key_candidates(parsed, targets, directory);
	local leaf, key = match(list, candidates);
	local chain, domains = checks.order(leaf, all), {};
	for i, host in ipairs(scope.hosts) do
		domains[i] = { host = host; ascii = scope.to_ascii(host) or host };
	end
	local findings, errors, warnings = checks.run {
		leaf = leaf; chain = chain; key = key and { path = key.shown or key.path }; keys_tried = #candidates;
		roles = roles; fqdn = scope.fqdn;
		domains = domains; now = env.now(); trust = trust_of(chain, trust_sources(parsed, scope, roles), leaf.usage);
	};
	local function add(fmt, ...)
		findings[#findings+1] = { level = "error"; check = "place"; text = fmt:format(...) };
		errors = errors + 1;
	end
	for _, rival in ipairs(locations.rivals(env, targets, leaf.names)) do
		add("%s is for %s as well, and Prosody would take either: move it away, or import for it too", rival.path,
			rival.name);
	end
	local told = {};
	for _, target in ipairs(targets) do
		for _, path in ipairs { target.certificate; target.key } do
			local obstacle = files.obstacle(path);
			if obstacle and not told[obstacle] then add("%s", obstacle); end
			told[obstacle or ""] = true;
		end
	end
	return { chain = chain; key = key; findings = findings; errors = errors; warnings = warnings };
end

-- Nobody else's business, whatever the mode was.
local function private_mode(mode)
	return mode and mode:sub(1, -2).."0" or "0600";
end

-- What is written, in the order it is put in place; what is there already stays, and needs no backup.
local function items(env, targets, judged)
	local leaf, pems, list, owner = judged.chain[1], {}, {}, files.owner(env.config);
	for i, cert in ipairs(judged.chain) do
		pems[i] = cert.pem;
	end
	local certificate, key = table.concat(pems), read.private_key(judged.key.path);
	if not key then return nil, judged.key.path..": cannot be read"; end
	local asked_mode = judged.key.request and files.mode(judged.key.path);
	for _, target in ipairs(targets) do
		local mode = asked_mode or private_mode(files.mode(target.key));
		local is_one = target.key == target.certificate; -- both in one file
		local is_there = read.public_key(target.key) == leaf.public_key and files.mode(target.key) == mode;
		if is_one then is_there = is_there and files.read(target.key) == certificate..key; end
		if not is_there then
			list[#list+1] = { path = target.key; bytes = is_one and certificate..key or key; owner = owner; mode = mode };
		end
		if not is_one and files.read(target.certificate) ~= certificate then
			list[#list+1] = { path = target.certificate; bytes = certificate; owner = owner;
				mode = files.mode(target.certificate) or "0644" };
		end
	end
	return list;
end

-- The running server reads configuration and certificates again; no stream and no conversation ends by that.
local function reload(print)
	local ctl = require "util.prosodyctl";
	local ok, running = ctl.isrunning();
	if ok and not running then
		print("Prosody is not running: it takes the certificate when it starts");
		return 0;
	end
	local why = running;
	if ok then ok, why = ctl.reload(); end
	if not ok then
		print(("error: Prosody could not be told (%s): run prosodyctl reload"):format(ctl.error_messages[why] or why));
		return 1;
	end
	print("Prosody and the bridge read it again; nothing is dropped");
	return 0;
end

local function install(env, targets, judged)
	local print, list, err = env.print, items(env, targets, judged);
	local backups = list;
	if list then backups, err = files.install(list, env.now()); end
	if not backups then
		print(("error: nothing is changed: %s"):format(err));
		return 1;
	end
	for i, item in ipairs(list) do
		print(("written  %s (mode %s)%s"):format(item.path, item.mode, backups[i] and ", before: "..backups[i] or ""));
	end
	if #list == 0 then print("It is in place already"); end
	if judged.key.request then -- it is in place now; one copy less to look after
		os.remove(judged.key.path);
	end
	return reload(print);
end

-- A PFX (PKCS #12) of Windows as a file of certificates and key in a directory -> its path, or nil and why
local function unpack_pfx(parsed, directory)
	local pfx, passphrase = files.from_shell(parsed[1]), files.from_shell(parsed["passphrase-file"]);
	local path, output = directory.."/pfx.pem", nil;
	for _, old in ipairs { false; true } do -- Windows up to Server 2016 writes RC2 and 3DES
		local argv = { "openssl"; "pkcs12"; "-in"; pfx; "-noenc"; "-passin"; "file:"..passphrase; "-out"; path };
		argv[#argv+1] = old and "-legacy" or nil;
		local ok;
		ok, output = program.run(argv);
		if ok then return path; end
	end
	return nil, ("%s: not a PFX file, or another passphrase (%s)"):format(pfx, program.reason(output));
end

local function run(env, parsed, roles, command)
	local print = env.print;
	local scope, missing = locations.scope(env, command, parsed[2]);
	if not scope then
		print("error: "..missing);
		return 1;
	end
	scope.to_ascii = env.to_ascii;
	local targets = locations.targets(env, scope, roles);
	local judged, err = judge(env, parsed, scope, roles, targets, prosody.paths.data.."/"..files.REQUESTS);
	if not judged then
		print("error: "..err);
		return 1;
	end
	for _, finding in ipairs(judged.findings) do
		print(("%-8s %-9s %s"):format(finding.level, finding.check, finding.text));
	end
	print(("%d error(s), %d warning(s)"):format(judged.errors, judged.warnings));
	if judged.errors > 0 then
		print("refused: nothing is changed");
		return 1;
	elseif parsed.whatif then
		for _, target in ipairs(targets) do
			print(("would write %s and %s (%s)"):format(target.certificate, target.key, table.concat(target.roles, ", ")));
		end
		return 0;
	end
	return install(env, targets, judged);
end

function import.run(env, parsed, command)
	local roles, wrong = locations.role(parsed.role);
	if not parsed[1] or parsed[3] or not roles then
		return nil, wrong or (parsed[3] and "Unexpected argument: "..parsed[3] or "The certificate's FILE is missing");
	elseif not parsed["passphrase-file"] then
		return run(env, parsed, roles, command);
	end
	local status, err = files.in_private(function (directory)
		local path, problem = unpack_pfx(parsed, directory);
		if not path then return false, problem; end
		parsed[1], parsed.shown = path, files.from_shell(parsed[1]);
		return run(env, parsed, roles, command);
	end);
	if status then return status; end
	env.print("error: "..err);
	return 1;
end

return import;
