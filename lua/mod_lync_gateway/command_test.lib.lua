-- prosodyctl mod_lync_gateway test im
-- SPDX-License-Identifier: MIT

local json_decode = require "util.json".decode;
local json_encode = require "util.json".encode;

local admin_socket = module:require "admin_socket";
local arguments = module:require "arguments";
local report = module:require "synthetic_report";

local prosody = prosody;

local test = {};

local TIMEOUT, SLACK = 30, 10; -- seconds
local kinds = { timeout = 600; json = "flag" };

test.usage = [[
  test im FROM TO [TEXT] [--timeout SECONDS] [--json]
                           send a message through the running gateway, from a
                           partner's contact to a Lync user or the other way,
                           and tell what became of it
]];

-- args -> { from, to, text, timeout, json } or nil, what is wrong
local function parse(args)
	local parsed, wrong = arguments.parse(args, kinds);
	if not parsed then return nil, wrong; end
	if parsed[1] ~= "im" then
		return nil, parsed[1] and "There is no such test: "..parsed[1] or "Which test? There is: im";
	elseif not parsed[2] or not parsed[3] then
		return nil, "A test of messages wants two addresses: FROM and TO";
	elseif parsed[5] then
		return nil, "Unexpected argument: "..parsed[5].." (quote the text)";
	end
	return { from = parsed[2]; to = parsed[3]; text = parsed[4]; timeout = parsed.timeout or TIMEOUT; json = parsed.json };
end

local function line_of(parsed)
	local quote = admin_socket.quote;
	return ("lync:test_im(%s, %s, %s, %s, %s)"):format(quote(parsed.from), quote(parsed.to),
		parsed.text and quote(parsed.text) or "nil", quote(("%g"):format(parsed.timeout)), quote("json"));
end

-- env.socket: for tests, in place of the socket's path
function test.run(env, args, command)
	local parsed, wrong = parse(args);
	if not parsed then
		env.print(wrong.."\n\n"..command.usage());
		return 2;
	end
	local path = env.socket or admin_socket.path(env.config, prosody.paths.data);
	local outputs, err = admin_socket.ask(path, line_of(parsed), parsed.timeout + SLACK);
	local result = outputs and json_decode(outputs[#outputs] or "");
	if not outputs or type(result) ~= "table" then
		err = err or "the running server answers something else: is it of another version? Restart it";
		env.print(parsed.json and json_encode { result = "Failure"; success = false; error = err } or "error: "..err);
		return 1;
	elseif result.wrong then
		env.print("error: "..result.wrong);
		return 2;
	end
	if parsed.json then
		env.print(outputs[#outputs]);
	else
		for _, line in ipairs(report.lines(result)) do
			env.print(line);
		end
	end
	return result.success and 0 or 1;
end

return test;
