-- prosodyctl mod_lync_gateway certificate request|import|show
-- SPDX-License-Identifier: MIT

local to_ascii = require "util.encodings".idna.to_ascii;
local array = require "util.array"; -- tells JSON that an empty one is a list
local json = require "util.json";

local arguments = module:require "arguments";
local files = module:require "certificate_files";
local import = module:require "certificate_import";
local locations = module:require "certificate_locations";
local program = module:require "program";
local read = module:require "certificate_read";
local request = module:require "certificate_request";
local show = module:require "certificate_show";

local prosody = prosody;

local certificate = {};

certificate.usage = [[
  certificate request [HOST] [OPTION…]
                           make a key and a request for a certificate (CSR)
      --friendly-name NAME     name of the files; default: the bridge's name
      --key-type rsa|ec        default rsa
      --key-length BITS        rsa: 2048 (default), 3072, 4096; ec: 256, 384
      --exportable             an administrator may copy the key (mode 0640)
      --passphrase-file FILE   with it: an encrypted copy (PKCS #8) besides
      --organization, --unit, --country, --state, --city TEXT
      --subject NAME           default: the bridge's name
      --san NAME               one more name; may be repeated
      --template NAME          Microsoft certificate template
      --csr FILE               put the request there as well
      --role bridge|s2s        for one side only; default: one for both
      --now [--days N]         self-signed at once, for tests
      --overwrite              replace a request of that name
  certificate import FILE [HOST] [OPTION…]
                           check what the CA gave, install it, reload
      --chain FILE             intermediate certificates; may be repeated
      --cafile FILE            whom to trust; default: lync_bridge_certificate
                               and the system's CAs
      --key FILE               its key, unless the request was made here
      --passphrase-file FILE   of a PFX file that holds certificate and key
      --role bridge|s2s        for one side only; default: both
      --whatif                 check only
  certificate show [HOST | REQUEST | FILE] [--json]
                           what is in use, what is asked for, what is in a file
]];

local extensions = { key = ".key"; config = ".cnf"; csr = ".csr"; certificate = ".pem"; export = ".p8" };

-- The files of a request, and what stands in the way.
local function request_paths(plan, directory)
	local paths = {};
	for what, extension in pairs(extensions) do
		paths[what] = ("%s/%s%s"):format(directory, plan.name, extension);
	end
	paths.copy = plan.csr and files.from_shell(plan.csr) or nil;
	paths.passphrase = plan.passphrase_file and files.from_shell(plan.passphrase_file) or nil;
	if files.exists(paths.key) and not plan.overwrite then
		return nil, ("there is a request %q already, and its key waits for a certificate: choose another --friendly-name, or "
			.."say --overwrite"):format(plan.name);
	end
	if paths.passphrase then
		local passphrase, err = files.read(paths.passphrase);
		if not passphrase or #(passphrase:match("^[^\r\n]*")) < 8 then
			return nil, ("--passphrase-file %s: %s"):format(paths.passphrase,
				err or "its first line is the passphrase, and has at least 8 characters");
		elseif files.mode(paths.passphrase):sub(-1) ~= "0" then
			table.insert(plan.warnings, ("--passphrase-file %s: everybody on this machine may read it")
				:format(paths.passphrase));
		end
	end
	local obstacle = files.obstacle(paths.key) or paths.copy and files.obstacle(paths.copy);
	if obstacle then return nil, obstacle; end
	return paths;
end

-- Key, request and what else is wanted, made by openssl in a directory -> list for files.install, or nil and why
local function make_in(directory, plan, paths)
	local made, list = { passphrase = paths.passphrase }, {};
	for what, extension in pairs(extensions) do
		made[what] = directory.."/made"..extension;
	end
	local ok, err = files.write(made.config, request.config(plan), "0600");
	if not ok then return nil, err; end
	local key_mode = plan.exportable and "0640" or "0600";
	local function step(what, mode, command, copy)
		if not list then return; end
		if command then
			local done, output = program.run(command(plan, made));
			if not done then
				list, err = nil, program.reason(output);
				return;
			end
		end
		local bytes = files.read(made[what]);
		list[#list+1] = { path = paths[what]; bytes = bytes; mode = mode; owner = plan.owner };
		if copy then list[#list+1] = { path = copy; bytes = bytes; mode = mode }; end
	end
	step("config", "0640");
	step("key", key_mode, request.key_command);
	step("csr", "0644", request.csr_command, paths.copy);
	if plan.now then step("certificate", "0644", request.now_command); end
	if plan.passphrase_file then step("export", "0640", request.export_command); end
	return list, err;
end

local function make_all(plan, paths, now)
	local list, err = files.in_private(function (directory) return make_in(directory, plan, paths); end);
	if not list then return nil, err; end
	local backups;
	backups, err = files.install(list, now);
	return backups and true, err;
end

local function report(print, plan, paths)
	for _, warning in ipairs(plan.warnings) do
		print("warning: "..warning);
	end
	print(("request  %s"):format(paths.copy or paths.csr));
	print(("names    %s"):format(table.concat(plan.names, ", ")));
	print(("key      %s (%s %d bits, %s)"):format(paths.key, plan.key_type:upper(), plan.key_length,
		plan.exportable and "exportable" or "not exportable"));
	if plan.passphrase_file then
		print(("export   %s (PKCS #8, AES-256, by the passphrase in the file)"):format(paths.export));
	end
	local role = "";
	if not (plan.roles.bridge and plan.roles.s2s) then role = " --role "..(plan.roles.bridge and "bridge" or "s2s"); end
	local words = "prosodyctl --root mod_lync_gateway certificate import %s%s%s";
	if plan.now then
		print(("signed   %s (by itself: for tests)"):format(paths.certificate));
		print("Next: "..words:format(paths.certificate, role, " --cafile "..paths.certificate));
	else
		print("Next: send the request to the CA, and when it has answered: "..words:format("FILE", role, ""));
	end
end

function certificate.request(env, parsed, command)
	if parsed[2] then return nil, "Unexpected argument: "..parsed[2]; end
	local scope, err = locations.scope(env, command, parsed[1]);
	local plan, paths, directory, ok;
	if not scope then
		env.print("error: "..err);
		return 1;
	end
	scope.to_ascii = env.to_ascii;
	plan, err = request.plan(parsed, scope);
	if not plan then return nil, err; end
	plan.owner = files.owner(env.config);
	directory, err = files.requests(prosody.paths.data, plan.owner);
	if directory then paths, err = request_paths(plan, directory); end
	if paths then ok, err = make_all(plan, paths, env.now()); end
	if not ok then
		env.print("error: "..err);
		return 1;
	end
	report(env.print, plan, paths);
	return 0;
end

local function key_state(path, public_key)
	if not files.exists(path) then return { path = path; state = "missing" }; end
	local own, err = read.public_key(path);
	local state = own == nil and err or own == public_key and "fits" or "does not fit";
	return { path = path; state = state; mode = files.mode(path) };
end

local function problem_of(item, now)
	if item.facts.not_after and item.facts.not_after <= now then return "it has expired"; end
	if item.facts.not_before and item.facts.not_before > now then return "it is not valid yet"; end
	if item.key and item.key.state ~= "fits" then return ("its key: %s"):format(item.key.state); end
end

local function certificate_item(item, paths, now)
	if not paths then
		item.problem = "there is none: certificate request, and import what the CA gives";
		return item;
	end
	item.path = paths.certificate;
	local list, err = read.file(paths.certificate);
	if not list then
		item.problem = err;
		return item;
	end
	item.facts, item.chain = list[1], #list;
	item.key = paths.key and key_state(paths.key, list[1].public_key) or nil;
	item.problem = problem_of(item, now);
	return item;
end

-- used: list of certificate items
local function request_item(path, name, used)
	local item = { path = path; name = name };
	item.facts, item.problem = read.request(path);
	if not item.facts or not name then return item; end
	item.key = key_state(path:gsub("%.csr$", ".key"), item.facts.public_key);
	if item.key.mode then
		item.key.exportable = item.key.mode == "0640";
		return item;
	end
	item.key.state = "does not wait here any more";
	for _, certificate_in_use in ipairs(used or {}) do
		if certificate_in_use.facts and certificate_in_use.facts.public_key == item.facts.public_key then
			item.key = certificate_in_use.key;
		end
	end
	return item;
end

-- What `show` is asked for -> { certificates }, { requests }
local function collect(env, command, word)
	local certificates, requests, now = {}, {}, env.now();
	local directory = prosody.paths.data.."/"..files.REQUESTS;
	local path = word and files.from_shell(word);
	if word and files.exists(("%s/%s.csr"):format(directory, word)) then
		return {}, { request_item(("%s/%s.csr"):format(directory, word), word) };
	elseif word and not rawget(env.config, word) and files.exists(path) then
		if (files.read(path) or ""):find("BEGIN [NEW ]*CERTIFICATE REQUEST") then return {}, { request_item(path) }; end
		return { certificate_item({ title = "certificate" }, { certificate = path }, now) }, {};
	end
	local hosts, missing = command.select(env, word);
	if not hosts then return nil, missing..(word and ", and it is neither a request nor a file" or ""); end
	for _, host in ipairs(hosts) do
		local bridge = env.load(host):bridge() or {};
		local title = ("bridge %s (%s)"):format(bridge.fqdn or "?", host);
		table.insert(certificates, certificate_item({ role = "bridge"; host = host; name = bridge.fqdn; title = title },
			(locations.of_bridge(env.config, host, bridge)), now));
		table.insert(certificates, certificate_item({ role = "s2s"; host = host; name = host; title = "s2s "..host },
			(locations.of_host(host)), now));
	end
	for _, name in ipairs(word and {} or files.list(directory, "^(.*)%.csr$")) do
		requests[#requests+1] = request_item(("%s/%s.csr"):format(directory, name), name, certificates);
	end
	return certificates, requests;
end

function certificate.show(env, parsed, command)
	if parsed[2] then return nil, "Unexpected argument: "..parsed[2]; end
	local certificates, requests = collect(env, command, parsed[1]);
	if not certificates then
		env.print("error: "..requests);
		return 1;
	end
	local result, now, problems = { certificates = array(); requests = array() }, env.now(), 0;
	for i, item in ipairs(certificates) do
		problems = problems + (item.problem and 1 or 0);
		result.certificates[i] = show.table(item, now, array);
		if not parsed.json then env.print(table.concat(show.certificate(item, now), "\n")); end
	end
	for i, item in ipairs(requests) do
		problems = problems + (item.problem and 1 or 0);
		result.requests[i] = show.table(item, now, array);
		if not parsed.json then env.print(table.concat(show.request(item), "\n")); end
	end
	if parsed.json then
		env.print(json.encode(result));
	end
	return problems == 0 and 0 or 1;
end

local subcommands = {
	request = { run = certificate.request; kinds = request.kinds };
	import = { run = import.run; kinds = import.kinds };
	show = { run = certificate.show; kinds = { json = "flag" } };
};

-- command: the library `command`
function certificate.run(env, args, command)
	local sub = subcommands[args[1] or ""];
	local parsed, wrong, status;
	env = setmetatable({ now = os.time; to_ascii = to_ascii }, { __index = env });
	if not sub then
		wrong = args[1] and "Unknown: certificate "..args[1] or "Say request, import or show";
	else
		parsed, wrong = arguments.parse({ table.unpack(args, 2) }, sub.kinds);
		if parsed and not program.run { "openssl"; "version" } then
			env.print("error: the openssl command cannot be run: apt-get install openssl");
			return 1;
		end
		if parsed then status, wrong = sub.run(env, parsed, command); end
	end
	if not status then
		env.print(wrong.."\n\n"..certificate.usage);
		return 2;
	end
	return status;
end

return certificate;
