-- prosodyctl mod_lync_gateway certificate request|import|show
-- SPDX-License-Identifier: MIT

local to_ascii = require "util.encodings".idna.to_ascii;
local array = require "util.array"; -- tells JSON that an empty one is a list
local json = require "util.json";

local arguments = module:require "certificate_arguments";
local files = module:require "certificate_files";
local import = module:require "certificate_import";
local locations = module:require "certificate_locations";
local openssl = module:require "certificate_openssl";
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
      --role bridge|s2s        for one side only; default: both
      --whatif                 check only
  certificate show [HOST | REQUEST | FILE] [--json]
                           what is in use, what is asked for, what is in a file
]];

local function write_config(plan, path)
	return files.write(path, request.config(plan), "0640", plan.owner);
end

-- Runs one of the plan's commands; the file it makes has this mode from the beginning.
local function make(plan, paths, what, path, mode)
	local ok, output = files.with_mode(mode, function () return openssl.run(request[what.."_command"](plan, paths)); end);
	if not ok then return nil, ("%s: %s"):format(path, openssl.reason(output)); end
	local owned, err = files.chown(path, plan.owner);
	return owned, err;
end

local function make_all(plan, paths)
	local key_mode = plan.exportable and "0640" or "0600";
	local steps = { { "key", paths.key, key_mode }; { "csr", paths.csr, "0644" } };
	if plan.now then steps[#steps+1] = { "now", paths.certificate, "0644" }; end
	if plan.passphrase_file then steps[#steps+1] = { "export", paths.export, "0640" }; end
	local ok, err = write_config(plan, paths.config);
	for _, step in ipairs(ok and steps or {}) do
		os.remove(step[2]); -- openssl would keep the mode of what is there
		ok, err = make(plan, paths, table.unpack(step));
		if ok then -- openssl makes keys 0600 whatever is allowed
			ok, err = openssl.run { "chmod"; "--"; step[3]; step[2] };
		end
		if not ok then break; end
	end
	if ok and paths.copy then ok, err = files.write(paths.copy, files.read(paths.csr), "0644"); end
	return ok, err;
end

local extensions = { key = ".key"; config = ".cnf"; csr = ".csr"; certificate = ".pem"; export = ".p8" };

-- The files of a request, and what stands in the way.
local function request_paths(plan, directory, now)
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
		end
	end
	if plan.overwrite then
		for _, path in ipairs { paths.key; paths.csr } do
			local saved, err = files.backup(path, plan.owner, now);
			if saved == false then return nil, err; end
		end
	end
	return paths;
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
	if directory then paths, err = request_paths(plan, directory, env.now()); end
	if paths then ok, err = make_all(plan, paths); end
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

local function request_item(path, name)
	local item = { path = path; name = name };
	item.facts, item.problem = read.request(path);
	if item.facts and name then
		item.key = key_state(path:gsub("%.csr$", ".key"), item.facts.public_key);
		if item.key.mode then
			item.key.exportable = item.key.mode == "0640";
		else
			item.key.state = "not waiting here (imported, or removed)";
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
		requests[#requests+1] = request_item(("%s/%s.csr"):format(directory, name), name);
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
		if parsed then status, wrong = sub.run(env, parsed, command); end
	end
	if not status then
		env.print(wrong.."\n\n"..certificate.usage);
		return 2;
	end
	return status;
end

return certificate;
