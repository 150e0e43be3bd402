-- What the parts of a host share: they know each other, the bridge and Prosody only through it.
-- SPDX-License-Identifier: MIT

local error_new = require "util.error".new;
local st = require "util.stanza";
local random_bytes = require "util.random".bytes;

local stanza_names = { message = true; presence = true; iq = true }; -- others (db:verify) are of the stream itself

-- module: the host's; env: core, pool, errors, prosody, now, timer, load(host) -> settings, problems,
-- options; report
local function new(module, env)
	local host, pool, hosts = module.host, env.pool, env.prosody.hosts;
	local h = {
		host = host; module = module; core = env.core; pool = pool; errors = env.errors; problems = {};
		now = env.now; time = env.time; timer = env.timer; timed = env.timed; over = env.over;
		state = pool:state(host, random_bytes(32));
	};

	function h.log(level, ...) module:log(level, ...); end
	-- Whether the administrator has asked for bodies in the log.
	function h.log_bodies()
		if h.body_settings ~= h.settings then
			h.body_settings, h.logs_bodies = h.settings, h.settings:gateway().enable_logging_all_message_bodies;
		end
		return h.logs_bodies;
	end
	-- The one place where a body may come to a log.
	function h.log_body(direction, from, to, body)
		if h.log_bodies() then
			h.log("info", "message body: %s (direction=%s from=%q to=%q)", (body:gsub("%c+", " ")), direction, from, to);
		end
	end
	function h.send(stanza) module:send(stanza); end
	-- As send(), with less to find out: a stanza of this host's for an address at that domain.
	function h.send_to(domain, stanza)
		local own = hosts[host];
		if not (hosts[domain] or hosts[stanza.attr.to]) and own.events.fire_event("route/remote", {
				origin = own; stanza = stanza; from_host = host; to_host = domain }) then
			return;
		end
		module:send(stanza);
	end
	function h.is_gateway(domain) return pool.hosts[domain] ~= nil; end
	function h.is_local(domain) return hosts[domain] ~= nil; end

	-- Our stream to a domain (with XEP-0288 one of theirs), in whatever state.
	function h.s2sout(domain) return hosts[host].s2sout[domain]; end
	function h.s2sout_all() return hosts[host].s2sout; end
	-- All connections of mod_s2s, of all hosts.
	function h.sessions() return module:shared("/*/s2s/sessions"); end
	function h.tls_version(session) return session.secure and env.tls_version(session.conn) or nil; end

	-- As if a stanza of this host went to a domain.
	function h.route(domain, stanza)
		return hosts[host].events.fire_event("route/remote", { from_host = host; to_host = domain; stanza = stanza });
	end

	-- The stream that takes stanzas to a domain at once, be it one of ours or (XEP-0288) one of theirs.
	function h.stream(domain)
		local session = hosts[host].s2sout[domain];
		local ready = session and not session.destroyed and not session.sendq
			and (session.type == "s2sout" or session.type == "s2sin");
		return ready and session or nil;
	end

	-- Prosody calls a stream ready a moment before it sends the stream's queue (with SASL EXTERNAL: until the next
	-- features arrive). What comes in between stands behind that queue, or a conversation would begin with its end.
	-- True when queued. The item is mod_s2s' own: what to send, what to bounce.
	function h.queue_behind(domain, stanza)
		local session = hosts[host].s2sout[domain];
		local queue = session and session.type == "s2sout" and not session.destroyed and session.sendq;
		if not queue or not stanza_names[stanza.name] then return false; end
		if queue.push then -- COMPAT(0.12): a plain list there
			return queue:push(st.clone(stanza)) == true;
		end
		local kind = stanza.attr.type;
		table.insert(queue, { tostring(stanza), kind ~= "error" and kind ~= "result" and st.reply(stanza) });
		return true;
	end

	-- Give up on what waits for a stream: mod_s2s bounces its queue.
	function h.bounce_stream(domain)
		local session = hosts[host].s2sout[domain];
		if not session or session.destroyed or session.type ~= "s2sout_unauthed" then return; end
		local reason = error_new({ type = "wait"; condition = "remote-server-timeout"; text = "No stream in time" });
		session.lync_refused = "no-stream"; -- no other way is tried: the sender is told that it has failed
		if session.conn then
			session:close({ condition = "connection-timeout" }, nil, reason);
		elseif session.bounce_sendq then
			session:bounce_sendq(reason);
			session.lync_refused = nil; -- it may still come to something, for others
		end
	end

	-- A slip of the pen in a reload does not cut the host off: what was right stays in force, whole, until the settings
	-- are usable again. A host that starts with an error stays closed.
	function h.configure()
		local settings, problems, raw = env.load(host);
		local keep = h.settings and h.settings.usable and not settings.usable;
		if not keep then
			h.settings = settings;
		end
		env.report(module, problems, h.problems);
		h.problems, h.options = problems, raw or h.options or {};
		if keep then
			module:log("error", "reload configuration: it has an error, the settings before stay in force (host=%s)", host);
		end
	end

	return h;
end

return { new = new };
