-- prosodyctl mod_lync_gateway check
-- SPDX-License-Identifier: MIT

local check = {};

check.usage = [[
  check --offline [HOST]   look over the configuration of HOST, or of every host
                           that has lync_gateway; nothing is contacted
]];

-- args -> { offline, host } or nil, what is wrong
local function parse(args)
	local parsed = {};
	for _, arg in ipairs(args) do
		if arg == "--offline" then
			parsed.offline = true;
		elseif arg:sub(1, 1) == "-" or parsed.host then
			return nil, "Unexpected argument: "..arg;
		else
			parsed.host = arg;
		end
	end
	if not parsed.offline then
		return nil, "Only checks without the network are available: say --offline";
	end
	return parsed;
end

-- command: the library `command`
function check.run(env, args, command)
	local print = env.print;
	local parsed, wrong = parse(args);
	if not parsed then
		print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local wanted, missing = command.select(env, parsed.host);
	if not wanted then
		print("error: "..missing);
		return 1;
	end
	local findings, loaded = 0, {};
	for _, host in ipairs(command.hosts(env.config)) do
		local settings, problems = env.load(host);
		loaded[host] = { settings = settings };
		if not parsed.host or parsed.host == host then
			for _, problem in ipairs(problems) do
				print(problem.text);
			end
			findings = findings + #problems;
		end
	end
	for host, text in pairs(env.conflicts(loaded)) do
		if not parsed.host or parsed.host == host then
			print("error: "..text);
			findings = findings + 1;
		end
	end
	print(("%d host(s) checked, %d finding(s)"):format(#wanted, findings));
	return findings == 0 and 0 or 1;
end

return check;
