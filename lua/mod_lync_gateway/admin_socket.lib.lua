-- One line to the shell of the running server, over its admin socket, as `prosodyctl shell` does it.
-- SPDX-License-Identifier: MIT

local gettime = require "socket".gettime;
local resolve_relative_path = require "util.paths".resolve_relative_path;
local st = require "util.stanza";

local element_stream = module:require "element_stream";

local admin_socket = {};

local NAMESPACE = "xmpp:prosody.im/admin";
local HEADER = "<stream:stream xmlns='"..NAMESPACE.."' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

local NOT_RUNNING = 'nobody answers on %s (%s). Start Prosody; "admin_shell" has to be in its modules_enabled, and '
	.."admin_socket, if it is set, has to be the same for both; run this as root or as Prosody's user";
local NO_SHELL = '"admin_shell" is not loaded in the running server: add it to modules_enabled and restart Prosody';
local NO_MODULE = "mod_lync_gateway, or this command of it, is not loaded in the running server: see its log, and "
	.."restart it after an update";
local NO_UNIX = "LuaSocket here has no Unix sockets: install the lua-socket package of the distribution";

-- A Lua string literal in printable ASCII: XML and a line take it, whatever it is.
function admin_socket.quote(text)
	return '"'..text:gsub('[^ !#-%[%]-~]', function (c) return ("\\%03d"):format(c:byte()); end)..'"';
end

-- What the server said about the line itself.
local function explain(text)
	if text:find("No module handled this query", 1, true) then
		return NO_SHELL;
	elseif text:find("nil value", 1, true) then
		return NO_MODULE;
	end
	return text;
end

-- config: as core.configmanager's getconfig gives it -> path
function admin_socket.path(config, data)
	return resolve_relative_path(data, (config["*"] or {}).admin_socket or "prosody.sock");
end

local function connect(path)
	local ok, unix = pcall(require, "socket.unix");
	-- COMPAT(LuaSocket 3.0rc): the module is its only function there
	local new = ok and (type(unix) == "function" and unix or type(unix) == "table" and unix.stream);
	if not new then return nil, NO_UNIX; end
	local sock = new();
	local connected, err = sock:connect(path);
	if not connected then
		sock:close();
		return nil, NOT_RUNNING:format(path, err);
	end
	return sock;
end

-- The lines that the command printed; or nil and why not. seconds: at most.
function admin_socket.ask(path, line, seconds)
	local sock, wrong = connect(path);
	if not sock then return nil, wrong; end
	local stream = element_stream.new(sock, NAMESPACE, gettime() + seconds);
	local outputs = {};
	local ok, err = stream:send(HEADER..tostring(st.stanza("repl-input", { width = "10000"; repl = "0" }):text(line)));
	while ok do
		local element;
		element, err = stream:read();
		if not element then break; end
		if element.name == "repl-output" then
			outputs[#outputs+1] = element:get_text();
		elseif element.name == "repl-result" then
			sock:close();
			if element.attr.type == "error" then return nil, explain(element:get_text()); end
			return outputs;
		end
	end
	sock:close();
	return nil, err == "timeout" and ("the server has not answered in %d seconds: see its log"):format(seconds)
		or ("the server ended the connection before it had answered (%s): see its log"):format(tostring(err));
end

return admin_socket;
