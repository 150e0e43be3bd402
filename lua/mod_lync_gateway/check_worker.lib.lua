-- The worker and the storage: do they work on this machine? judge functions are pure.
-- SPDX-License-Identifier: MIT

local check = {};

-- drivers that forget
local forgetful = { none = true; null = true; memory = true };

-- facts: path, found, executable, core_version, reason (what it said to settings that it has to refuse), started
function check.judge_worker(facts)
	local reinstall = "install the gateway again, core.so and sipbridge-worker of the same release";
	if not facts.path or not facts.found then
		return { { level = "error"; id = "worker"; text = (facts.path or "sipbridge-worker")..": no such file";
			remedy = reinstall } };
	elseif not facts.executable then
		return { { level = "error"; id = "worker"; text = facts.path..": Prosody's user may not execute it";
			remedy = "chmod 755 "..facts.path.." (and look whether its file system is mounted noexec)" } };
	elseif not facts.started then
		return { { level = "error"; id = "worker"; text = ("%s: does not start: %s"):format(facts.path,
			facts.reason or "it says nothing"); remedy = reinstall } };
	end
	return { { level = "ok"; id = "worker"; text = ("%s starts and speaks version %s"):format(facts.path,
		facts.core_version) } };
end

-- facts: driver (name) or nil, opened, error
function check.judge_storage(facts)
	if not facts.opened then
		return { { level = "error"; id = "storage";
			text = ("the store lync_subscriptions cannot be used: %s"):format(facts.error or "unknown error");
			remedy = "correct storage in the section of this host, or the rights of data_path" } };
	elseif facts.driver and forgetful[facts.driver] then
		return { { level = "warning"; id = "storage"; key = "storage"; value = ("%q"):format(facts.driver);
			text = ("the store lync_subscriptions is in %q: subscriptions are forgotten at a restart"):format(facts.driver);
			remedy = 'write storage = "internal" in the section of this host' } };
	end
	return { { level = "ok"; id = "storage"; text = "the store lync_subscriptions opens"..(facts.driver
		and " ("..facts.driver..")" or "") } };
end

return check;
