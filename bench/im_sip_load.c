/*
 * im_sip_load.c: the Access Edge and the Lync users of im_load.c.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "im_load.h"

/* ------------------------------------------------------------------- SIP -- */

static int finish(char *to, size_t room, const char *type, const char *body)
{
	if (!body)
		return snprintf(to, room, "Content-Length: 0\r\n\r\n");
	return snprintf(to, room, "Content-Type: %s\r\nContent-Length: %zu\r\n"
			"\r\n%s", type, strlen(body), body);
}

static void put(struct load_conn *c, int n)
{
	if (n < 0 || (size_t)n >= sizeof(im.text))
		load_die("message too long");
	load_write(c, im.text, (size_t)n);
}

static void sdp(char *to, size_t n, const char *who)
{
	snprintf(to, n, "v=0\r\no=- 0 0 IN IP4 10.1.7.42\r\ns=session\r\nc=IN "
		 "IP4 10.1.7.42\r\nt=0 0\r\nm=message 5060 sip %s\r\na=accept-"
		 "types:text/plain multipart/alternative image/gif text/rtf "
		 "text/html application/x-ms-ink application/ms-imdn+xml text/"
		 "x-msmsgsinvite\r\n", who);
}

static int contact_header(char *to, size_t room, size_t i)
{
	char user[LOAD_NAME_MAX];
	uint32_t u = (uint32_t)load_user_of(&im.load, i);

	load_user(&im.load, user, u);
	return snprintf(to, room, "Contact: <sip:%s;opaque=user:epid:Qm9iIGlz%"
			"08xhcmUgYWdhaQAA;gruu>\r\n", user, load_mix(u + 13));
}

/* The pair of From and To of a request of the bridge. */
static size_t pair_of(const struct sip_message *m)
{
	char from[200], to[200];
	const char *a, *b;

	snprintf(from, sizeof(from), "%.*s", m->from.n, m->from.p);
	snprintf(to, sizeof(to), "%.*s", m->to.n, m->to.p);
	a = strstr(from, "sip:");
	b = strstr(to, "sip:");
	return a && b ? load_pair(&im.load, a, b) : LOAD_NOBODY;
}

static void accept_invite(struct load_conn *c, const struct sip_message *m)
{
	size_t i = pair_of(m);
	char user[LOAD_NAME_MAX + 8] = "sip:", body[500], tag[16];
	int n;

	if (i == LOAD_NOBODY)
		load_die("nobody's: %.*s", m->line.n, m->line.p);
	snprintf(tag, sizeof(tag), "%08X", (uint32_t)i + 1);
	n = sip_answer_head(im.text, ROOM, m, "200 OK",
			    sip_tag_of(m->to).n ? NULL : tag);
	n += sip_routes(im.text + n, ROOM, "Record-Route", im.fqdn,
			im.load.user_domain, (struct sip_route){(uint32_t)i,
			(uint32_t)load_user_of(&im.load, i), true});
	for (int k = 0; k < m->route_n; k++)
		n += snprintf(im.text + n, ROOM, "%.*s\r\n", m->route[k].n,
			      m->route[k].p);
	n += contact_header(im.text + n, ROOM, i);
	load_user(&im.load, user + 4, load_user_of(&im.load, i));
	sdp(body, sizeof(body), user);
	put(c, n + finish(im.text + n, ROOM, "application/sdp", body));
}

static void take_request(struct load_conn *c, const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to);
	char digits[TAG] = "";
	int n;

	if (!strncmp(m->line.p, "ACK ", 4))
		return;
	if (!strncmp(m->line.p, "INVITE ", 7)) {
		accept_invite(c, m);
		return;
	}
	n = sip_answer_head(im.text, ROOM, m, "200 OK", NULL);
	n += snprintf(im.text + n, ROOM, "User-Agent: UCCAPI/15.0.4569.1503 "
		      "OC/15.0.4569.1503 (Microsoft Lync)\r\n");
	put(c, n + finish(im.text + n, ROOM, NULL, NULL));
	if (strncmp(m->line.p, "MESSAGE ", 8) || !tag.n || tag.n >= TAG)
		return;
	memcpy(digits, tag.p, (size_t)tag.n);
	im_arrived(strtoul(digits, NULL, 16) - 1, m->body.p, (size_t)m->body.n);
}

/* A request of pair i's dialog up to its headers of the body. */
static int request_head(size_t i, const char *method, uint32_t cseq)
{
	const struct pair *p = &im.pairs[i];
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX], target[LOAD_NAME_MAX +
								 8] = "sip:";
	uint32_t u = (uint32_t)load_user_of(&im.load, i), v = (uint32_t)i;
	int n;

	load_user(&im.load, user, u);
	load_contact(&im.load, contact, load_contact_of(&im.load, i));
	memcpy(target + 4, contact, sizeof(contact));
	im.branch++;
	n = snprintf(im.text, ROOM, "%s %s SIP/2.0\r\n", method,
		     p->target[0] ? p->target : target);
	if (!p->target[0])
		n += sip_routes(im.text + n, ROOM, "Record-Route", im.fqdn,
				im.load.user_domain,
				(struct sip_route){load_mix(v), u, false});
	n += snprintf(im.text + n, ROOM, "Via: SIP/2.0/TLS %s:54021;branch="
		"z9hG4bK6E0B%zx.4FD1C2AA90B33C11;branched=FALSE;ms-internal-"
		"info=\"ckA2pV1s,0QyT;9mUe\"\r\nVia: SIP/2.0/TLS 10.1.0.11:"
		"61877;branch=z9hG4bK90AB%zx;branched=FALSE;ms-received-port="
		"61877;ms-received-cid=2C00\r\nVia: SIP/2.0/TLS 10.1.7.42:49733"
		";ms-received-port=49733;ms-received-cid=1A3F00\r\n"
		"Max-Forwards: 67\r\nFrom: \"Firstname Lastname\"<sip:%s>;epid="
		"%08x11;tag=%08x\r\nTo: <sip:%s>%s%s\r\nCall-ID: %08x%08x%08x"
		"\r\nCSeq: %u %s\r\n", im.fqdn, im.branch, im.branch, user,
		load_mix(u + 7), v + 1, contact,
		p->tag[0] ? ";tag=" : "", p->tag, v, load_mix(v + 1),
		load_mix(v + 2), cseq, method);
	n += contact_header(im.text + n, ROOM, i);
	return n + snprintf(im.text + n, ROOM, "User-Agent: UCCAPI/15.0.4569."
		"1503 OC/15.0.4569.1503 (Microsoft Lync)\r\nSupported: ms-"
		"dialog-route-set-update\r\nSupported: timer\r\n");
}

void im_sip_invite(size_t i)
{
	struct pair *p = &im.pairs[i];
	char body[500];
	int n = request_head(i, "INVITE", ++p->cseq);

	n += snprintf(im.text + n, ROOM, "Supported: ms-sender\r\nMs-"
		"Conversation-ID: Ac%08xTQ2013\r\nAllow: INVITE, BYE, ACK, "
		"CANCEL, INFO, MESSAGE, UPDATE, REFER, NOTIFY, BENOTIFY\r\n"
		"ms-keep-alive: UAC;hop-hop=yes\r\n", load_mix((uint32_t)i));
	sdp(body, sizeof(body), "null");
	put(im.bridge, n + finish(im.text + n, ROOM, "application/sdp", body));
}

void im_sip_say(size_t i)
{
	struct pair *p = &im.pairs[i];
	char text[160];
	int n = request_head(i, "MESSAGE", ++p->cseq);

	im_text(text, sizeof(text), p);
	put(im.bridge, n + finish(im.text + n, ROOM, "text/plain; charset=UTF-"
		"8; msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAA0ACgANAA"
		"oA", text));
	p->unanswered = true;
}

static void invited(size_t i, const struct sip_message *m)
{
	struct pair *p = &im.pairs[i];
	struct sip_span tag = sip_tag_of(m->to), uri = m->contact;
	const char *from = memchr(uri.p, '<', (size_t)uri.n), *end;
	int n;

	end = from ? memchr(from, '>', (size_t)(uri.p + uri.n - from)) : NULL;
	if (!end || end - from > TARGET || !tag.n || tag.n >= TAG)
		load_die("contact or tag: %.*s", m->line.n, m->line.p);
	memcpy(p->target, from + 1, (size_t)(end - from) - 1);
	memcpy(p->tag, tag.p, (size_t)tag.n);
	n = request_head(i, "ACK", p->cseq);
	put(im.bridge, n + finish(im.text + n, ROOM, NULL, NULL));
	im.n.dialogs += !p->open;
	p->open = true;
}

static void take_response(const struct sip_message *m)
{
	int status = atoi(m->line.p + 8);
	char digits[9] = "";
	size_t i;

	memcpy(digits, m->call_id.p, m->call_id.n < 8 ? (size_t)m->call_id.n
						      : 8);
	i = strtoul(digits, NULL, 16);
	if (status < 200)
		return;
	if (status != 200 || i >= im.load.pairs) {
		im.n.failed++;
		im_trouble("failed", m->line.p, (size_t)m->line.n);
	}
	else if (sip_has(m->cseq, "INVITE"))
		invited(i, m);
	else if (im.pairs[i].unanswered) {
		im.pairs[i].unanswered = false;
		im.n.answered++;
	}
}

static void take(struct load_conn *c, const struct sip_message *m)
{
	if (m->line.n > 8 && !memcmp(m->line.p, "SIP/2.0 ", 8))
		take_response(m);
	else
		take_request(c, m);
}

static size_t sip_data(struct load_conn *c)
{
	return sip_take(c, take);
}

void im_sip_accept(struct load_conn *c)
{
	c->on_data = sip_data;
	load_tls(c, true, NULL);
}

static void bridge_open(struct load_conn *c)
{
	if (!c->ssl)
		load_tls(c, false, im.bridge_fqdn);
	else
		im.n.connected = 1;
}

static void bridge_gone(struct load_conn *c)
{
	(void)c;
	load_die("the bridge has closed the connection");
}

void im_sip_connect(const char *to, const char *from)
{
	im.bridge = load_connect(&im.load, from, to);
	im.bridge->on_data = sip_data;
	im.bridge->on_open = bridge_open;
	im.bridge->on_close = bridge_gone;
}
