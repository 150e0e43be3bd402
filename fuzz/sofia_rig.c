/*
 * sofia_rig.c: the worker in a box; see sofia_rig.h.
 * SPDX-License-Identifier: MIT
 *
 * worker.c is included, so that its parts meet here as they do there.
 */
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../sipbridge/sofia_message.h"
#include "fuzz.h"
#include "sofia_rig.h"
#include "sofia_world.h"

static int rig_request(struct sb_edge *e, uint64_t cookie,
		       const struct sb_sip_out *m);
static void rig_cancel(struct sb_edge *e, uint64_t cookie);
int sb_worker_main(int argc, char **argv);

#define main sb_worker_main
#define sb_edge_request rig_request
#define sb_edge_cancel rig_cancel
#include "../sipbridge/worker.c"

enum {
	PENDING_MAX = 64,	/* requests of ours without an answer */
	ANSWER_MAX = 1 << 20,	/* bytes that the worker says at once */
	TURNS_MAX = 1000,	/* of the loop for one step of an input */
	DRAIN_MS = 40000,	/* so big are the steps at the end, */
	DRAIN_TURNS = 20,	/* and so many at most; */
	DRAIN_LEAST = 4,	/* Sofia forgets in 32 s, or twice that */
	NAME_MAX_ = 256,
};

struct pending {
	uint64_t cookie;
	enum sb_method method;
	bool answered; /* an INVITE with a 2xx: others may follow */
};

static struct worker box;
static struct sb_channel *plugin;
static int plugin_answer = 200;
static uint64_t last_id;
static struct pending pending[PENDING_MAX];
static size_t pending_n;
static int port, edge_fd = -1;
static char to_tag[NAME_MAX_], from_tag[NAME_MAX_], call_id[NAME_MAX_];

/* What the loop does until it is stopped. */
static struct {
	uint32_t step_ms;	/* time passes by so much each turn */
	uint64_t until_ms;	/* then it is enough, */
	bool quiet;		/* or already when nothing moves */
	int unread;		/* bytes that wait; Sofia does not read on
				   behind what it cannot read */
	unsigned still, turns;
	bool stop;
} plan;

/* FUZZ_SHOW=1: what is said, for people who look at one input. */
static void show(const char *who, struct sb_str s)
{
	static int on = -1;

	if (on < 0)
		on = getenv("FUZZ_SHOW") != NULL;
	if (on)
		fprintf(stderr, "---- %ju ms, %s\n%.*s\n", (uintmax_t)world_ms,
			who, SB_FMT(s));
}

/* ---------------------------------------------------- requests of ours -- */

static void remember(char to[NAME_MAX_], struct sb_str s)
{
	size_t n = s.n < NAME_MAX_ - 1 ? s.n : NAME_MAX_ - 1;

	if (n)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

/* As bytes, and back: the same message, without anything unreadable. */
static void readable(msg_t *msg, const struct sb_sip_out *m)
{
	msg_t *again;
	su_home_t *home = msg_home(msg);
	const sip_t *sip;
	size_t n = 0;
	char *text;

	text = msg_as_string(home, msg, NULL, 0, &n);
	need(text);
	show("we ask", (struct sb_str){text, n});
	again = msg_make(sip_default_mclass(), 0, text, (ssize_t)n);
	need(again);
	sip = sip_object(again);
	need(sip && sip->sip_request && sip->sip_from && sip->sip_to);
	need(sip->sip_call_id && sip->sip_cseq && !sip->sip_error);
	need(sb_str_eq(sb_str_of(sip->sip_call_id->i_id), m->call_id));
	need(sip->sip_cseq->cs_seq == m->cseq);
	need(sb_str_eq(sb_str_of(sip->sip_from->a_tag), m->local.tag));
	need(m->body.n == (sip->sip_payload ? sip->sip_payload->pl_len : 0));
	msg_destroy(again);
}

static int rig_request(struct sb_edge *e, uint64_t cookie,
		       const struct sb_sip_out *m)
{
	msg_t *msg;
	int err;

	need(sb_str_eq(m->domain, SB_STR("contoso.com")));
	if (pending_n == PENDING_MAX)
		return SB_EFULL;
	err = sb_sofia_request(&msg, world_agent(e), world_self(e), m);
	if (err)
		return err;
	readable(msg, m);
	msg_destroy(msg);
	remember(from_tag, m->local.tag);
	remember(call_id, m->call_id);
	if (m->method != SB_M_ACK)
		pending[pending_n++] = (struct pending){cookie, m->method,
							false};
	return SB_OK;
}

static void rig_cancel(struct sb_edge *e, uint64_t cookie)
{
	(void)e;
	for (size_t i = 0; i < pending_n; i++)
		if (pending[i].cookie == cookie) {
			need(pending[i].method == SB_M_INVITE);
			return;
		}
	fuzz_broken(__FILE__, __LINE__, "CANCEL of nothing");
}

static void drop(size_t i)
{
	pending_n--;
	memmove(pending + i, pending + i + 1,
		(pending_n - i) * sizeof(pending[0]));
}

/* As sofia_client.c, on_response(). */
static void respond(size_t i, const struct sb_sip_in *in)
{
	uint64_t cookie = pending[i].cookie;

	if (in->status >= 200) {
		if (pending[i].method == SB_M_INVITE && in->status < 300)
			pending[i].answered = true;
		else
			drop(i);
	}
	on_response(&box, cookie, in);
}

static void unanswered(void)
{
	for (size_t i = 0; i < pending_n; i++) {
		struct sb_sip_in in = {.method = pending[i].method,
				       .status = 503, .local = true,
				       .phrase = SB_STR("Nobody there")};
		bool answered = pending[i].answered;

		if (answered)
			drop(i);
		else
			respond(i, &in);
		i = (size_t)-1; /* the list has changed */
	}
}

static void take_response(const sip_t *sip)
{
	static struct sb_scratch scratch;
	struct sb_sip_in in;
	size_t i;
	int status = sip->sip_status->st_status;

	if (sb_sofia_read(&in, &scratch, NULL, sip) != 0)
		in = (struct sb_sip_in){.method = in.method,
					.status = status < 300 ? 500 : status,
					.phrase = SB_STR("Unreadable answer")};
	in.domain = SB_STR("contoso.com"); /* where it went to */
	for (i = 0; i < pending_n; i++)
		if (pending[i].method == in.method &&
		    (!pending[i].answered || status / 100 == 2))
			break;
	if (i < pending_n && status >= 101 && status < 700)
		respond(i, &in);
}

/* ----------------------------------------------------------- the plugin -- */

static bool about_user(const struct sb_event *ev)
{
	return ev->type == SB_EV_OFFER || ev->type == SB_EV_MESSAGE ||
	       ev->type == SB_EV_TYPING || ev->type == SB_EV_ENDED ||
	       ev->type == SB_EV_SUBSCRIBE || ev->type == SB_EV_STATE ||
	       ev->type == SB_EV_UNSUBSCRIBED;
}

static void plugin_hears(const struct sb_event *ev)
{
	struct sb_request r = {.type = SB_REQ_ANSWER, .id = ev->id};
	char line[400];

	snprintf(line, sizeof(line), "type %d status %d: %.*s %.*s %.*s",
		 (int)ev->type, ev->status, SB_FMT(ev->token),
		 SB_FMT(ev->reason), SB_FMT(ev->text));
	show("the plugin hears", sb_str_of(line));
	if (about_user(ev))
		need(sb_str_eq(sb_uri_host(ev->user), SB_STR("contoso.com")));
	if (ev->type == SB_EV_LOG)
		need(!memmem(ev->text.p, ev->text.n, "may not cross", 13));
	if (!plugin_answer || !ev->id ||
	    (ev->type != SB_EV_OFFER && ev->type != SB_EV_MESSAGE &&
	     ev->type != SB_EV_SUBSCRIBE))
		return;
	r.status = plugin_answer;
	r.diag = plugin_answer >= 400 ? 1007 : 0;
	r.reason = plugin_answer >= 400 ? SB_STR("no") : SB_NOSTR;
	need(sb_channel_put_request(plugin, &r) == SB_OK);
}

/* True if there was something. */
static bool plugin_turn(void)
{
	struct sb_frame f;
	bool some = false;
	int got;

	need(sb_channel_fill(plugin) == SB_OK);
	while ((got = sb_channel_get(plugin, &f)) == 1) {
		some = true;
		if (f.kind == SB_FRAME_EVENT)
			plugin_hears(&f.event);
	}
	need(got == 0);
	need(sb_channel_flush(plugin) == SB_OK);
	return some;
}

/* ------------------------------------------------------------- the Edge -- */

static void edge_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	edge_fd = socket(AF_INET, SOCK_STREAM, 0);
	/* not connect(): sofia_names.c lets only Edges be called */
	need(edge_fd >= 0 && syscall(SYS_connect, edge_fd, &to,
				     (socklen_t)sizeof(to)) == 0);
}

static void edge_heard(const char *p, size_t n)
{
	const char *to = memmem(p, n, "\nTo:", 4), *tag, *end;

	show("the Edge hears", (struct sb_str){p, n});
	need(n < 8 || memcmp(p, "SIP/2.0 ", 8) == 0);
	if (!to)
		return;
	n -= (size_t)(to - p);
	end = memchr(to + 1, '\n', n - 1);
	n = end ? (size_t)(end - to) : n;
	tag = memmem(to, n, ";tag=", 5);
	if (!tag)
		return;
	tag += 5;
	n = (size_t)(to + n - tag);
	for (size_t i = 0; i < n; i++)
		if (strchr("\r\n; \t", tag[i]))
			n = i;
	remember(to_tag, (struct sb_str){tag, n});
}

/* True if there was something. */
static bool edge_turn(void)
{
	static char buf[ANSWER_MAX];
	ssize_t n = edge_fd < 0 ? 0 : recv(edge_fd, buf, sizeof(buf),
					   MSG_DONTWAIT);

	if (n > 0)
		edge_heard(buf, (size_t)n);
	return n > 0;
}

/* ------------------------------------------------------------- the loop -- */

static int unread(int fd)
{
	int n = 0;

	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 ? n : 0;
}

/* Is it enough? */
static bool enough(bool some)
{
	int n = unread(world_served_fd) + unread(sb_channel_fd(box.channel));

	if (++plan.turns >= TURNS_MAX)
		return true;
	plan.still = some || n != plan.unread ? 0 : plan.still + 1;
	plan.unread = n;
	return world_ms >= plan.until_ms && (!plan.quiet || plan.still > 1);
}

int __wrap_su_root_step(su_root_t *root, su_duration_t ms)
{
	bool some = plugin_turn();

	some = edge_turn() || some;
	if (enough(some)) {
		plan.stop = true;
		sb_edge_stop(box.edge);
		return 0;
	}
	if (plan.step_ms && world_ms < plan.until_ms)
		world_ms += plan.step_ms > ms ? plan.step_ms : (uint64_t)ms;
	return __real_su_root_step(root, 0);
}

static void run(uint32_t step_ms, uint32_t ms)
{
	plan.step_ms = step_ms;
	plan.until_ms = world_ms + ms;
	plan.quiet = true;
	plan.still = plan.turns = 0;
	plan.stop = false;
	world_go_on(box.edge);
	sb_edge_run(box.edge);
	need(plan.stop && box.status == 0);
}

/* ------------------------------------------------------------ the steps -- */

void rig_hear(struct sb_str bytes)
{
	unsigned vain = 0;

	while (bytes.n && vain < 2) {
		ssize_t n = send(edge_fd, bytes.p, bytes.n,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* Sofia has closed it */
		vain = n > 0 ? 0 : vain + 1;
		if (n > 0)
			bytes = (struct sb_str){bytes.p + n,
						bytes.n - (size_t)n};
		run(0, 0);
	}
}

void rig_answer(struct sb_str bytes)
{
	msg_t *msg = msg_make(sip_default_mclass(),
			      MSG_DO_CANONIC | MSG_DO_EXTRACT_COPY,
			      bytes.p, (ssize_t)bytes.n);
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	/* what nta's agent lets through to a transaction */
	if (sip && sip->sip_status && sip->sip_via && sip->sip_cseq &&
	    sip->sip_call_id && sip->sip_from && sip->sip_to)
		take_response(sip);
	if (msg)
		msg_destroy(msg);
	run(0, 0);
}

void rig_wait(uint32_t ms)
{
	run(ms / 64 + 1, ms);
}

void rig_plugin(const struct sb_request *r)
{
	struct sb_request numbered = *r;

	numbered.id = ++last_id; /* as sb_send does */
	if (sb_channel_put_request(plugin, &numbered) == SB_OK)
		run(0, 0);
}

void rig_plugin_answers(int status)
{
	plugin_answer = status;
}

struct sb_str rig_to_tag(void)
{
	return sb_str_of(to_tag);
}

struct sb_str rig_from_tag(void)
{
	return sb_str_of(from_tag);
}

struct sb_str rig_call_id(void)
{
	return sb_str_of(call_id);
}

/* ---------------------------------------------------- beginning and end -- */

static void settings(struct sb_config *c)
{
	sb_config_init(c);
	c->sandbox = false; /* the process is the fuzzer's, too */
	c->memory = 0;
	c->bridge_fqdn = SB_STR("xmpp.contoso.com");
	c->listen[c->listen_n++] = SB_STR("127.0.0.1:5061");
	c->domains[c->domains_n++] = (struct sb_domain){
		.name = SB_STR("contoso.com"),
		.edge = SB_STR("sip.contoso.com"),
		.port = 5061,
	};
	c->wire.invite_timeout_ms = c->wire.message_timeout_ms = 32000;
	c->wire.imdn_wait_ms = c->wire.session_idle_ms = 60000;
	c->wire.offer_expires_ms = 60000;
}

static void once(void)
{
	int fd[2];
	struct sb_config c;
	tport_t *tp;

	signal(SIGPIPE, SIG_IGN);
	world_start();
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	need(sb_channel_new(&box.channel, fd[0]) == SB_OK);
	sb_outbox_init(&box.out, box.channel);
	need(sb_channel_new(&plugin, fd[1]) == SB_OK);
	need(sb_edge_new(&box.edge, fd[0], &edge_hooks, &box) == SB_OK);
	settings(&c);
	take_config(&box, &c);
	need(box.cfg);
	for (tp = tport_primaries(nta_agent_tports(world_agent(box.edge)));
	     tp && !port; tp = tport_next(tp))
		port = atoi(tport_name(tp)->tpn_port);
	need(port > 0);
}

void rig_begin(void)
{
	world_inside = true;
	if (!box.edge)
		once();
	world_seed = 88172645463325252u;
	plugin_answer = 200;
	last_id = 0;
	to_tag[0] = from_tag[0] = call_id[0] = '\0';
	edge_connect();
	run(0, 0);
}

/* Everything has its end: answers, time-outs, the connection. */
static void drain(void)
{
	unsigned turns = 0;

	close(edge_fd);
	edge_fd = -1;
	run(0, 0);
	sb_sessions_shutdown(box.sessions, sb_edge_now());
	sb_watches_shutdown(box.watches, sb_edge_now());
	do {
		unanswered();
		run(DRAIN_MS, DRAIN_MS);
	} while ((sb_edge_busy(box.edge) || pending_n || turns < DRAIN_LEAST) &&
		 ++turns < DRAIN_TURNS);
}

void rig_end(void)
{
	struct sb_sessions_count s;
	struct sb_watches_count w;

	drain();
	sb_sessions_count(box.sessions, &s);
	sb_watches_count(box.watches, &w);
	need(!s.queued && !s.unanswered && !s.client_txns && !s.dialogs);
	need(!w.unanswered && !w.client_txns);
	need(sb_edge_busy(box.edge) == 0);
	sb_sessions_free(box.sessions);
	sb_watches_free(box.watches);
	box.sessions = NULL;
	box.watches = NULL;
	need(configure_engines(&box, box.cfg) == SB_OK);
	world_inside = false;
}
