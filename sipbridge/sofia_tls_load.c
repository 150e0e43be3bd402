/*
 * sofia_tls_load.c: certificates, CAs and the verification of peers.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "sofia_tls_priv.h"

#define CIPHERS_TLS12 "HIGH:!aNULL:!eNULL:!MD5:!3DES:!PSK:!SRP:!DSS:@STRENGTH"

#define SETTING "lync_bridge_certificate: "

/* What is wrong with a file, and what to do. */
static void say_error(char *why, size_t n, const char *what, const char *file)
{
	unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
	const char *text = last ? ERR_reason_error_string(last) : NULL;

	if (first && ERR_SYSTEM_ERROR(first)) {
		int err = ERR_GET_REASON(first);

		snprintf(why, n, SETTING "%s %s: %s: %s", what, file,
			 strerror(err),
			 err == ENOENT   ? "correct the path"
			 : err == EACCES ? "let Prosody's user read it"
					 : "see to it that it can be read");
	}
	else
		snprintf(why, n, SETTING "%s %s: %s: a PEM file is wanted",
			 what, file, text ? text : "unusable");
	ERR_clear_error();
}

/* RFC 6125 without wildcards; a certificate whose subject claims an Edge that
 * its SAN does not name is refused altogether. Whom we called must be one of
 * those at that address; which of them, Sofia checks. */
static bool names_peer(struct sb_tls *t, X509 *cert, SSL *ssl)
{
	bool called = sb_tls_expected(ssl) != NULL;
	unsigned int flags = X509_CHECK_FLAG_NO_WILDCARDS;
	bool found = false;
	char cn[256];
	size_t i;

	if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
				      NID_commonName, cn, sizeof(cn)) <= 0)
		cn[0] = '\0';
	for (i = 0; i < t->peers_n; i++) {
		const char *fqdn = t->peers[i].fqdn;

		if (X509_check_host(cert, fqdn, 0, flags, NULL) == 1) {
			if (!called || sb_tls_goes_to(ssl, &t->peers[i]))
				found = true;
		}
		else if (strcasecmp(cn, fqdn) == 0)
			return false;
	}
	return found;
}

static int verify(int ok, X509_STORE_CTX *sc)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		sc, SSL_get_ex_data_X509_STORE_CTX_idx());
	int depth = X509_STORE_CTX_get_error_depth(sc);
	int error = X509_STORE_CTX_get_error(sc);
	X509 *cert = X509_STORE_CTX_get_current_cert(sc);
	struct sb_tls *t = ssl ? sb_tls_of(ssl) : NULL;
	char subject[200] = "";

	if (!t || !cert)
		return 0;
	/* An Edge's certificate needs serverAuth only, also as a client. */
	if (!ok && depth == 0 && error == X509_V_ERR_INVALID_PURPOSE
	    && SSL_is_server(ssl)
	    && X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) == 1) {
		X509_STORE_CTX_set_error(sc, X509_V_OK);
		ok = 1;
	}
	X509_NAME_oneline(X509_get_subject_name(cert), subject,
			  sizeof(subject));
	if (!ok) {
		sb_tls_refuse(t, ssl, "tls-certificate",
			      "certificate refused: %s (subject=%s)",
			      X509_verify_cert_error_string(error), subject);
		return 0;
	}
	if (depth == 0 && !names_peer(t, cert, ssl)) {
		X509_STORE_CTX_set_error(sc, X509_V_ERR_HOSTNAME_MISMATCH);
		sb_tls_refuse(t, ssl, "tls-name",
			      "certificate names no configured Access Edge "
			      "(subject=%s)", subject);
		return 0;
	}
	return 1;
}

static void on_info(const SSL *ssl, int where, int ret)
{
	struct sb_tls *t = sb_tls_of(ssl);
	SSL *s = (SSL *)(uintptr_t)ssl;
	const char *name;

	if (!t)
		return;
	if ((where & SSL_CB_HANDSHAKE_START) && !SSL_is_server(ssl)
	    && SSL_in_before(ssl) && (name = sb_tls_expected(s)) != NULL)
		SSL_set_tlsext_host_name(s, name);
	if (where & SSL_CB_HANDSHAKE_DONE)
		sb_tls_shaken(ssl);
	/* close_notify is a goodbye; certificate alerts that we send were
	 * reported by verify() already */
	if (sb_tls_settled(ssl))
		return;
	if ((where & SSL_CB_ALERT) && (ret >> 8) == SSL3_AL_FATAL
	    && (where & SSL_CB_READ))
		sb_tls_refuse(t, s, "tls-alert", "peer refused us: %s",
			      SSL_alert_desc_string_long(ret));
	else if ((where & SSL_CB_ALERT) && (ret >> 8) == SSL3_AL_FATAL
		 && SSL_get_verify_result(ssl) == X509_V_OK)
		sb_tls_refuse(t, s, "tls-alert", "handshake refused: %s",
			      SSL_alert_desc_string_long(ret));
}

/* The environment's or OpenSSL's own. */
static const char *default_place(const char *variable, const char *built_in)
{
	const char *set = getenv(variable);

	return set && *set ? set : built_in;
}

size_t sb_tls_places(const struct sb_config *c, const char **place, size_t max)
{
	/* what Debian's hashed folder has links to */
	static const char *const debian[] = {
		"/usr/share/ca-certificates",
		"/usr/local/share/ca-certificates"};
	const char *all[] = {
		c->certificate.p, c->key.p, c->crlfile.p,
		c->cafile.n ? c->cafile.p : debian[0],
		c->cafile.n ? NULL : debian[1],
		c->cafile.n ? NULL
			    : default_place(X509_get_default_cert_file_env(),
					    X509_get_default_cert_file()),
		c->cafile.n ? NULL
			    : default_place(X509_get_default_cert_dir_env(),
					    X509_get_default_cert_dir()),
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && n < max; i++)
		if (all[i] && *all[i])
			place[n++] = all[i];
	return n;
}

static int make_store(X509_STORE **sp, const struct sb_config *c, char *why,
		      size_t n)
{
	X509_STORE *store = X509_STORE_new();
	X509_LOOKUP *crl;

	if (!store)
		return SB_ENOMEM;
	if (c->cafile.n) {
		if (!X509_STORE_load_file(store, c->cafile.p)) {
			say_error(why, n, "CA file", c->cafile.p);
			goto bad;
		}
	}
	else if (!X509_STORE_set_default_paths(store)) {
		say_error(why, n, "CAs of", "the system");
		goto bad;
	}
	if (c->crlfile.n) {
		crl = X509_STORE_add_lookup(store, X509_LOOKUP_file());
		if (!crl || X509_load_crl_file(crl, c->crlfile.p,
					       X509_FILETYPE_PEM) <= 0) {
			say_error(why, n, "CRL file", c->crlfile.p);
			goto bad;
		}
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
	}
	*sp = store;
	return SB_OK;
bad:
	X509_STORE_free(store);
	return SB_EINVAL;
}

/* OpenSSL would ask the terminal, and the worker would wait. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

/* Certificate and key into one context. */
static int use_identity(SSL_CTX *ctx, const struct sb_config *c, char *why,
			size_t n)
{
	static bool asked;

	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	asked = false;
	if (SSL_CTX_use_certificate_chain_file(ctx, c->certificate.p) != 1) {
		say_error(why, n, "certificate", c->certificate.p);
		return SB_EINVAL;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, c->key.p, SSL_FILETYPE_PEM) == 1
	    && SSL_CTX_check_private_key(ctx) == 1)
		return SB_OK;
	if (asked)
		snprintf(why, n, SETTING "key %s has a passphrase, and nobody "
			 "to ask: store it without", c->key.p);
	else if (ERR_GET_REASON(ERR_peek_last_error())
		 == X509_R_KEY_VALUES_MISMATCH)
		snprintf(why, n, SETTING "key %s does not belong to "
			 "certificate %s: name two that do", c->key.p,
			 c->certificate.p);
	else
		say_error(why, n, "key", c->key.p);
	ERR_clear_error();
	return SB_EINVAL;
}

/* Does the certificate carry our own name? The Edge will look for it. */
static int check_own_name(SSL_CTX *ctx, const struct sb_config *c, char *why,
			  size_t n)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);

	if (cert && X509_check_host(cert, c->bridge_fqdn.p, 0, 0, NULL) == 1)
		return SB_OK;
	snprintf(why, n, SETTING "certificate %s does not name %s in its "
		 "subjectAltName: get one that does, or correct "
		 "lync_bridge_fqdn", c->certificate.p, c->bridge_fqdn.p);
	return SB_EINVAL;
}

static void set_up(SSL_CTX *ctx, X509_STORE *store, const struct sb_config *c)
{
	bool only13 = sb_str_eq(c->min_tls, SB_STR("1.3"));

	SSL_CTX_set1_cert_store(ctx, store);
	SSL_CTX_set_client_CA_list(ctx, sk_X509_NAME_new_null());
	SSL_CTX_set_verify(ctx,
			   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   verify);
	SSL_CTX_set_verify_depth(ctx, SB_TLS_DEPTH);
	SSL_CTX_set_info_callback(ctx, on_info);
	SSL_CTX_set_min_proto_version(ctx, only13 ? TLS1_3_VERSION
						  : TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12);
	/* a resumed session would skip the checks above */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION
					 | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

int sb_tls_load(struct sb_tls *t, const struct sb_config *c, char *why,
		size_t n)
{
	X509_STORE *store = NULL;
	SSL_CTX *trial;
	size_t i;
	int err;

	why[0] = '\0';
	trial = SSL_CTX_new(TLS_method());
	if (!trial)
		return SB_ENOMEM;
	err = use_identity(trial, c, why, n);
	if (err == SB_OK)
		err = check_own_name(trial, c, why, n);
	if (err == SB_OK)
		err = make_store(&store, c, why, n);
	for (i = 0; err == SB_OK && i < t->ctx_n; i++) {
		set_up(t->ctx[i], store, c);
		err = use_identity(t->ctx[i], c, why, n);
	}
	X509_STORE_free(store);
	SSL_CTX_free(trial);
	return err;
}
