-- SPDX-License-Identifier: MIT
cache = false
codes = true
max_line_length = 120
std = "lua54c"
ignore = { "212/self" }

files["lua/"] = {
	-- What Prosody gives to a module (util/startup.lua, core/modulemanager.lua).
	read_globals = { "prosody" };
	globals = {
		module = {
			fields = {
				add_host = { read_only = false }; command = { read_only = false }; load = { read_only = false };
				restore = { read_only = false }; save = { read_only = false }; unload = { read_only = false };
				host = {}; name = {}; reloading = {}; saved_state = { other_fields = true };
				add_feature = {}; add_identity = {}; add_item = {}; context = {}; depends = {};
				get_directory = {}; get_option = {}; hook = {}; hook_global = {}; log = {}; log_status = {};
				metric = {}; require = {}; send = {}; set_global = {}; set_status = {}; shared = {};
			};
		};
	};
}

files["conf.d/"] = {
	std = "none";
	globals = {
		"VirtualHost"; "Component"; "modules_enabled"; "lync_access_edge"; "lync_access_edge_address"; "lync_bridge_fqdn";
		"lync_bridge_listen"; "lync_bridge_certificate"; "lync_partners"; "lync_access_policies"; "lync_sites";
		"lync_policy_grants"; "lync_gateway_settings"; "lync_bridge_rate"; "lync_bridge_wire";
	};
}

-- What lua_host.c gives to a fuzz target.
files["fuzz/"] = { read_globals = { "core"; module = { fields = { require = {} } } } }

files["spec/"] = {
	std = "+busted";
	max_line_length = 132;
}

files["bench/prosody_modules/"] = { read_globals = { "module" } };
