-- Clear text where a partner's settings allow it: mod_s2s refuses it for all hosts or for none.
-- SPDX-License-Identifier: MIT
--
-- mod_s2s reads s2s_require_encryption and s2s_secure_auth from the global section alone, and closes what is not
-- encrypted in its handler of s2s-authenticated. To switch them off would weaken every other host. What our last word
-- has let pass is shown to that one handler as encrypted, and nobody else sees it so: the truth is back before the
-- stream's "established" events go out.

local clear_text = {};

-- Below all others, above mod_s2s (-1).
clear_text.PRIORITY = -0.5;
clear_text.ESTABLISHED = 100000;

-- h: host, gate
function clear_text.new(h)
	local clear = {};

	-- s2s-authenticated, last before mod_s2s
	function clear.authenticated(event)
		local session = event.session;
		local method = h.gate.method(session, event.host);
		if not method or session.destroyed then return; end
		if session.direction == "outgoing" then
			session.authenticated_remote = true; -- its certificate was judged, or no certificate is asked for
		end
		if method == "tcp-dialback" and not session.secure then
			session.lync_clear, session.secure = true, true;
		end
	end

	return clear;
end

-- s2sin-established, s2sout-established: the first handler of all
function clear_text.restore(event)
	local session = event.session;
	if rawget(session, "lync_clear") then
		session.lync_clear, session.secure = nil, nil;
	end
end

-- Around s2s-authenticated, whatever happens in it.
function clear_text.around(handlers, name, event)
	local ok, result = pcall(handlers, name, event);
	clear_text.restore(event);
	if not ok then
		error(result, 0);
	end
	return result;
end

return clear_text;
