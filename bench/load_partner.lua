-- load_partner.lua: a load program of bench/ that runs, and the line to it.
-- SPDX-License-Identifier: MIT

local ports = require "spec.support.ports";
local process = require "spec.support.process";
local stream = require "spec.support.stream";

local Load = {};
Load.__index = Load;

local PATIENCE = 60; -- seconds for an answer

--- Start it, again after its end.
function Load:start()
	self.answers, self.buffer, self.gone = {}, "", false;
	self.process = process.start(self.loop, self.argv, { name = self.name });
	self.process:wait_port(self.listen, self.port, 20); -- opened last; who leaves the control port ends the program
	local ip, port = self.at:match("^(.*):(%d+)$");
	self.control = stream.connect(self.loop, ip, tonumber(port), nil, {
		on_data = function (_, bytes)
			self.buffer = (self.buffer .. bytes):gsub("([^\n]*)\n", function (line)
				table.insert(self.answers, line);
				return "";
			end);
		end;
		on_close = function () self.gone = true; end;
	});
end

--- A command without an answer.
function Load:say(format, ...)
	self.control:send(format:format(...) .. "\n");
end

--- A command with one line of answer.
function Load:ask(format, ...)
	self:say(format, ...);
	return self.loop:wait(function ()
		if self.gone then error(self.name .. "_load ended:\n" .. self.process.output:sub(-2000), 2); end
		return table.remove(self.answers, 1);
	end, PATIENCE, self.name .. "_load's answer");
end

--- Its counts, as a table.
function Load:stats()
	local result = {};
	for key, value in self:ask("stats"):gmatch("([%w_-]+)=(%d+)") do result[key] = math.tointeger(tonumber(value)); end
	return result;
end

--- kill -9, and away.
function Load:kill()
	self.before = (self.before or "")..self.process.output;
	self.process:signal("KILL");
	self.process:wait_end(20);
	self.control:close(true);
end

--- bench/NAME_load with these words, started. options: loop, build, name, address (of its control port), listen and
--- port (which it opens last), cert.
function Load.new(options, words)
	local at = ("%s:%d"):format(options.address, ports.free(options.address));
	local argv = { options.build.."/bench/"..options.name.."_load", "control="..at, "cert="..options.cert.cert,
		"key="..options.cert.key, table.unpack(words) };
	local load = setmetatable({ loop = options.loop, name = options.name, argv = argv, at = at, listen = options.listen,
		port = options.port }, Load);
	load:start();
	return load;
end

return Load;
