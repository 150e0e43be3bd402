/*
 * bare_load.c: a plain program on Sofia-SIP's nta that says the same SIP as
 * the bridge's worker, and nothing else; for bench_worker.lua.
 * SPDX-License-Identifier: MIT
 *
 * Options and output as channel_load.c, but `dir`: where Sofia finds agent.pem
 * and cafile.pem. Written as nta is meant to be used: a leg for each dialog,
 * headers that are always the same are parsed once.
 */
#define SU_ROOT_MAGIC_T struct bare
#define NTA_AGENT_MAGIC_T struct bare
#define NTA_LEG_MAGIC_T struct talk
#define NTA_OUTGOING_MAGIC_T struct talk

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <sofia-sip/su.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/tport_tag.h>
#pragma GCC diagnostic pop

#include "load.h"

#define TEXT "Can you send me the figures for tomorrow's meeting, please?"
#define SDP                                                                    \
	"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1"   \
	"\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain "   \
	"text/html\r\n"

static struct bare {
	su_root_t *root;
	nta_agent_t *agent;
	su_home_t home[1];
	sip_user_agent_t *software;
	sip_content_type_t *text, *sdp;
	sip_contact_t *contact;
	size_t talks, warm, messages, done;
	double cpu, began;
	char route[200];
} b = {.home = {SU_HOME_INIT(b.home)}};

struct talk {
	nta_leg_t *leg;
};

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		load_die("no such clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void count(void)
{
	if (b.done++ == b.warm) {
		b.cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
		b.began = seconds_of(CLOCK_MONOTONIC);
	}
	if (b.done == b.warm + b.messages + 1)
		su_root_break(b.root);
}

/* ------------------------------------------------------------------- x2s -- */

static int on_said(struct talk *t, nta_outgoing_t *orq, sip_t const *sip);

static void say(struct talk *t)
{
	if (!nta_outgoing_tcreate(t->leg, on_said, t, (url_string_t *)b.route,
				  SIP_METHOD_MESSAGE, NULL,
				  SIPTAG_USER_AGENT(b.software),
				  SIPTAG_CONTENT_TYPE(b.text),
				  SIPTAG_PAYLOAD_STR(TEXT), TAG_END()))
		load_die("no MESSAGE");
}

static int on_said(struct talk *t, nta_outgoing_t *orq, sip_t const *sip)
{
	int status = nta_outgoing_status(orq);

	(void)sip;
	if (status < 200)
		return 0;
	if (status != 200)
		load_die("MESSAGE: %d", status);
	nta_outgoing_destroy(orq);
	count();
	say(t);
	return 0;
}

static int on_invited(struct talk *t, nta_outgoing_t *orq, sip_t const *sip)
{
	int status = nta_outgoing_status(orq);
	nta_outgoing_t *ack;
	sip_cseq_t *cseq;

	if (status < 200)
		return 0;
	if (status != 200 || !sip)
		load_die("INVITE: %d", status);
	nta_leg_rtag(t->leg, sip->sip_to->a_tag);
	nta_leg_client_route(t->leg, sip->sip_record_route, sip->sip_contact);
	cseq = sip_cseq_create(b.home, sip->sip_cseq->cs_seq, SIP_METHOD_ACK);
	ack = nta_outgoing_tcreate(t->leg, NULL, NULL, (url_string_t *)b.route,
				   SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
				   SIPTAG_USER_AGENT(b.software), TAG_END());
	if (!ack)
		load_die("no ACK");
	nta_outgoing_destroy(ack);
	nta_outgoing_destroy(orq);
	say(t);
	return 0;
}

static void invite(struct talk *t, size_t i)
{
	char from[96], to[64];

	snprintf(from, sizeof(from), "\"Romeo Montague\" "
		 "<sip:romeo%zu@fed.example>", i);
	snprintf(to, sizeof(to), "<sip:lena%zu@contoso.com>", i);
	t->leg = nta_leg_tcreate(b.agent, NULL, NULL, SIPTAG_FROM_STR(from),
				 SIPTAG_TO_STR(to), TAG_END());
	if (!t->leg || !nta_leg_tag(t->leg, NULL) ||
	    !nta_outgoing_tcreate(t->leg, on_invited, t,
				  (url_string_t *)b.route, SIP_METHOD_INVITE,
				  NULL, SIPTAG_CONTACT(b.contact),
				  SIPTAG_USER_AGENT(b.software),
				  SIPTAG_CONTENT_TYPE(b.sdp),
				  SIPTAG_PAYLOAD_STR(SDP), TAG_END()))
		load_die("no INVITE");
}

/* ------------------------------------------------------------------- s2x -- */

static int on_request(struct talk *t, nta_leg_t *leg, nta_incoming_t *irq,
		      sip_t const *sip);

/* Requests of this dialog find it by themselves. */
static void open_dialog(nta_incoming_t *irq, sip_t const *sip)
{
	nta_leg_t *leg = nta_leg_tcreate(b.agent, on_request, NULL,
					 SIPTAG_CALL_ID(sip->sip_call_id),
					 SIPTAG_FROM(sip->sip_to),
					 SIPTAG_TO(sip->sip_from), TAG_END());

	if (!leg || !nta_leg_tag(leg, NULL))
		load_die("no dialog");
	nta_incoming_tag(irq, nta_leg_get_tag(leg));
	nta_leg_server_route(leg, sip->sip_record_route, sip->sip_contact);
}

static int on_request(struct talk *t, nta_leg_t *leg, nta_incoming_t *irq,
		      sip_t const *sip)
{
	sip_method_t method = sip->sip_request->rq_method;

	(void)t, (void)leg;
	if (method == sip_method_ack) {
		nta_incoming_destroy(irq);
		return 0;
	}
	if (method == sip_method_invite) {
		open_dialog(irq, sip);
		nta_incoming_treply(irq, SIP_200_OK,
				    SIPTAG_CONTACT(b.contact),
				    SIPTAG_USER_AGENT(b.software),
				    SIPTAG_CONTENT_TYPE(b.sdp),
				    SIPTAG_PAYLOAD_STR(SDP), TAG_END());
		return 0; /* nta keeps it until the ACK */
	}
	if (method == sip_method_message)
		count();
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_USER_AGENT(b.software),
			    TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

static size_t number(char **argv, const char *key)
{
	return strtoul(load_option(argv, key, NULL), NULL, 10);
}

static void start(char **argv)
{
	const char *listen = load_option(argv, "listen", NULL), *fqdn;
	char url[200], contact[200];

	fqdn = load_option(argv, "fqdn", NULL);
	snprintf(url, sizeof(url), "sips:%s:5061;maddr=%.*s", fqdn,
		 (int)strcspn(listen, ":"), listen);
	snprintf(contact, sizeof(contact), "<sip:%s:5061;transport=tls>", fqdn);
	snprintf(b.route, sizeof(b.route), "sips:sip.contoso.com:5061;maddr=%s",
		 load_option(argv, "edge", NULL));
	su_init();
	b.root = su_root_create(&b);
	b.agent = nta_agent_create(
		b.root, (url_string_t *)url, NULL, NULL,
		TPTAG_CERTIFICATE(load_option(argv, "dir", NULL)),
		TPTAG_TLS_VERIFY_POLICY(TPTLS_VERIFY_ALL),
		TPTAG_TLS_VERSION(0x10), NTATAG_UA(1), NTATAG_USE_NAPTR(0),
		NTATAG_USE_SRV(0), TAG_END());
	if (!b.agent ||
	    !nta_leg_tcreate(b.agent, on_request, NULL, NTATAG_NO_DIALOG(1),
			     TAG_END()))
		load_die("no agent");
	b.software = sip_user_agent_make(b.home, "lync-gateway/1.0.0");
	b.text = sip_content_type_make(b.home, "text/plain; charset=UTF-8");
	b.sdp = sip_content_type_make(b.home, "application/sdp");
	b.contact = sip_contact_make(b.home, contact);
}

int main(int argc, char **argv)
{
	struct talk *talks;
	double cpu, seconds;

	(void)argc;
	b.talks = number(argv, "talks");
	b.warm = number(argv, "warm");
	b.messages = number(argv, "messages");
	start(argv);
	talks = calloc(b.talks, sizeof(*talks));
	if (!talks)
		load_die("no memory");
	if (!strcmp(load_option(argv, "way", NULL), "x2s"))
		for (size_t i = 0; i < b.talks; i++)
			invite(&talks[i], i);
	su_root_run(b.root);
	cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - b.cpu;
	seconds = seconds_of(CLOCK_MONOTONIC) - b.began;
	printf("us=%.3f rate=%.0f\n", cpu / (double)b.messages * 1e6,
	       (double)b.messages / seconds);
	fflush(stdout);
	_exit(0); /* connections and all: nothing of it is measured */
}
