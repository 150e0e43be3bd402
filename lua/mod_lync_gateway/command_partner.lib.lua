-- prosodyctl mod_lync_gateway partner test (for this branch alone)
-- SPDX-License-Identifier: MIT

local partner_test = module:require "partner_test";

local partner = { usage = partner_test.usage };

function partner.run(env, args, command)
	if args[1] ~= "test" then
		env.print("Only `partner test` is here\n\n"..command.usage());
		return 2;
	end
	return partner_test.run(env, { table.unpack(args, 2) }, command);
end

return partner;
