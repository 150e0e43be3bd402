-- What Prosody leaves open on streams: limits that it has options for, and errors before any hook.
-- SPDX-License-Identifier: MIT
--
-- s2s_unauthed_stanza_size_limit reaches no incoming stream in 0.12.3, and none at all in the 13.0 that was tried;
-- s2s_max_child_elements none that was authenticated. And a stanza with an address that is none is answered by
-- session.send, which a stream gets only when it has been authenticated.

local guard = {};

guard.LIMITS = 5; -- established: after clear_text

-- options: unauthed, authed (bytes of a stanza), children (elements in one)
function guard.new(options)
	local this = {};

	-- s2s-created: who it is for is not known yet
	function this.created(event)
		local session = event.session;
		if not session.send then
			function session.send() return false; end
		end
		session.stream:set_stanza_size_limit(options.unauthed, options.children);
	end

	-- s2sin-established, s2sout-established. Streams of other hosts get what Prosody gives them.
	function this.established(event, is_ours)
		event.session.stream:set_stanza_size_limit(options.authed, is_ours and options.children or nil);
	end

	return this;
end

function guard.options(module)
	return {
		unauthed = module:get_option_number("s2s_unauthed_stanza_size_limit", 10000);
		authed = module:get_option_number("s2s_stanza_size_limit", 512 * 1024);
		children = module:get_option_number("s2s_max_child_elements", 25000);
	};
end

return guard;
