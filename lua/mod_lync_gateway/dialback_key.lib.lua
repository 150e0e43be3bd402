-- dialback_passphrase: the secret of this host's dialback keys (XEP-0185), in place of mod_dialback's own.
-- SPDX-License-Identifier: MIT
--
-- mod_dialback reads its secret once and keeps it over reloads; the function that makes its keys is a global of it, by
-- which both making and checking go.

local sha256 = require "util.hashes".sha256;
local hmac_sha256 = require "util.hashes".hmac_sha256;

local dialback_key = {};

function dialback_key.make(passphrase)
	local secret = sha256(passphrase, true);
	return function (id, to, from)
		return hmac_sha256(secret, to.." "..from.." "..id, true);
	end;
end

-- loaded: mod_dialback's environment of this host, or nil when it is not there yet.
function dialback_key.apply(h, loaded)
	local passphrase = h.settings:gateway().dialback_passphrase;
	if not loaded then return; end
	if type(rawget(loaded, "generate_dialback")) ~= "function" then
		if passphrase then
			h.log("error", "dialback_passphrase: mod_dialback makes its keys in another way, the passphrase has no effect");
		end
		return;
	end
	loaded.lync_generate_dialback = rawget(loaded, "lync_generate_dialback") or loaded.generate_dialback;
	loaded.generate_dialback = passphrase and dialback_key.make(passphrase) or loaded.lync_generate_dialback;
end

return dialback_key;
