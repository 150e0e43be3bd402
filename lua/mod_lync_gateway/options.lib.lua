-- Options of one host -> settings of the core, and every problem into the log.
-- SPDX-License-Identifier: MIT

local resolve_relative_path = require "util.paths".resolve_relative_path;

local options = {};

options.keys = {
	"lync_access_edge"; "lync_access_edge_address"; "lync_bridge_fqdn"; "lync_bridge_listen";
	"lync_bridge_certificate"; "lync_bridge_rate"; "lync_bridge_sandbox"; "lync_bridge_memory"; "lync_bridge_wire";
	"lync_partners"; "lync_access_policies"; "lync_sites"; "lync_policy_grants"; "lync_gateway_settings";
	-- Prosody's own, which bear on partners
	"s2s_allow_encryption"; "s2s_insecure_domains"; "s2s_require_encryption"; "s2s_secure_auth"; "s2s_secure_domains";
};

local WARNINGS_MAX = 100; -- in the log, of one load

local path_keys = { "certificate"; "key"; "cafile"; "crlfile" };

-- The certificate's paths as Prosody reads its own: relative to the configuration; when neither certificate nor key is
-- given, Prosody's certificate for the bridge's name. What is not a table or a string is left for the core to refuse.
local function certificate(raw, fqdn, find_host_cert, config_path)
	if raw ~= nil and type(raw) ~= "table" then
		return raw;
	end
	local result = {};
	for key, value in pairs(raw or {}) do
		result[key] = value;
	end
	if result.certificate == nil and result.key == nil and type(fqdn) == "string" then
		local found = find_host_cert(fqdn);
		if found then
			result.certificate, result.key = found.certificate, found.key;
		end
	end
	for _, key in ipairs(path_keys) do
		if type(result[key]) == "string" then
			result[key] = resolve_relative_path(config_path, result[key]);
		end
	end
	if next(result) == nil then
		return nil;
	end
	return result;
end

-- env: get(key) -> raw option, find_host_cert(name), config_path, modules() -> list of Prosody's on this host, or nil
function options.read(env)
	local raw = {};
	for _, key in ipairs(options.keys) do
		raw[key] = env.get(key);
	end
	raw.lync_bridge_certificate = certificate(raw.lync_bridge_certificate, raw.lync_bridge_fqdn,
		env.find_host_cert, env.config_path);
	raw.prosody_modules = env.modules and env.modules() or nil;
	return raw;
end

-- env.managed(host, raw) -> settings, problems, raw: together with the managed file; absent: without. The third is what
-- the settings are made of, nil where that is not known.
function options.load(core, host, env)
	local raw = options.read(env);
	if env.managed then
		return env.managed(host, raw);
	end
	local settings, problems = core.settings(host, raw);
	return settings, problems, raw;
end

-- Errors and warnings among the problems.
function options.count(problems)
	local errors, warnings = 0, 0;
	for _, problem in ipairs(problems) do
		if problem.level == "error" then
			errors = errors + 1;
		else
			warnings = warnings + 1;
		end
	end
	return errors, warnings;
end

-- Errors are told at each load; warnings when they are new, and not without end: a partner's defaults have one each.
local function tell(module, problems, before)
	local told, new, old = {}, 0, 0;
	for _, problem in ipairs(before or {}) do
		told[problem.text] = true;
	end
	for _, problem in ipairs(problems) do
		if problem.level == "error" then
			module:log("error", "%s", problem.text);
		elseif told[problem.text] then
			old = old + 1;
		else
			new = new + 1;
			if new <= WARNINGS_MAX then
				module:log("warn", "%s", problem.text);
			end
		end
	end
	if new > WARNINGS_MAX then
		module:log("warn", "%d more warning(s) in the configuration; prosodyctl mod_lync_gateway check shows them all",
			new - WARNINGS_MAX);
	end
	if old > 0 then
		module:log("info", "%d warning(s) in the configuration as before; prosodyctl mod_lync_gateway check shows them", old);
	end
end

-- before: the problems of the options that these replace
function options.report(module, problems, before)
	tell(module, problems, before);
	local errors, warnings = options.count(problems);
	if errors > 0 then
		module:set_status("error", ("%d error(s), %d warning(s) in the configuration, first: %s")
			:format(errors, warnings, problems[1].text), true);
	elseif warnings > 0 then
		module:set_status("warn", ("%d warning(s) in the configuration, first: %s"):format(warnings, problems[1].text), true);
	else
		module:set_status("info", "Configuration is fine", true);
	end
	return errors, warnings;
end

return options;
