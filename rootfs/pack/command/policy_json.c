#include "rootfs/pack/command/policy.h"

#include <stdio.h>
#include <string.h>

enum { CONDITION_MAX = 256 };

const char *policy_action_name(enum policy_action action)
{
	static const char *const names[] = {
		[POLICY_DECRYPT] = "Decrypt",
		[POLICY_DATA_KEY] = "GenerateDataKey",
		[POLICY_KEY_PAIR] = "GenerateDataKeyPair",
		[POLICY_SHARED_SECRET] = "DeriveSharedSecret",
	};

	return names[action];
}

/* PCR0 has a name of its own, by which AWS's pages know it. */
static void condition_name(unsigned pcr, char ret[CONDITION_MAX])
{
	if (pcr == 0)
		(void)snprintf(ret, CONDITION_MAX,
			       "kms:RecipientAttestation:ImageSha384");
	else
		(void)snprintf(ret, CONDITION_MAX,
			       "kms:RecipientAttestation:PCR%u", pcr);
}

/* --- a statement --- */

static bool add_text(cJSON *to, const char *name, const char *text)
{
	return cJSON_AddStringToObject(to, name, text) != NULL;
}

static bool append(cJSON *array, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (item && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

/* Begins a statement; *RET_PRINCIPAL gets whom it is about. NULL: no memory. */
static cJSON *begin(cJSON *statements, const char *sid, const char *effect,
		    cJSON **ret_principal)
{
	cJSON *s = cJSON_CreateObject();

	if (s && !cJSON_AddItemToArray(statements, s)) {
		cJSON_Delete(s);
		return NULL;
	}
	if (!s || !add_text(s, "Sid", sid) || !add_text(s, "Effect", effect))
		return NULL;
	*ret_principal = cJSON_AddObjectToObject(s, "Principal");
	return *ret_principal ? s : NULL;
}

/* In a key's policy "*" is that key. */
static bool add_resource(cJSON *statement)
{
	return add_text(statement, "Resource", "*");
}

static bool add_actions(cJSON *statement, const char *const *names)
{
	cJSON *actions = cJSON_AddArrayToObject(statement, "Action");

	for (; actions && *names; names++)
		if (!append(actions, *names))
			return false;
	return actions;
}

/* --- the statements --- */

static bool add_allowed(cJSON *statement, const struct policy *p)
{
	cJSON *actions = cJSON_AddArrayToObject(statement, "Action");
	char name[CONDITION_MAX];

	for (int i = 0; actions && i < POLICY_ACTIONS; i++) {
		if (!p->action[i])
			continue;
		(void)snprintf(name, sizeof(name), "kms:%s",
			       policy_action_name((enum policy_action)i));
		if (!append(actions, name))
			return false;
	}
	return actions;
}

static bool add_context(cJSON *condition, const struct policy *p)
{
	char name[CONDITION_MAX];
	cJSON *equals;

	if (p->contexts == 0)
		return true;
	equals = cJSON_AddObjectToObject(condition, "StringEquals");
	for (size_t i = 0; equals && i < p->contexts; i++) {
		const char *value = strchr(p->context[i], '=');

		(void)snprintf(name, sizeof(name), "kms:EncryptionContext:%.*s",
			       (int)(value - p->context[i]), p->context[i]);
		if (!add_text(equals, name, value + 1))
			return false;
	}
	return equals;
}

static bool add_enclave(cJSON *statements, const struct policy *p)
{
	char name[CONDITION_MAX];
	cJSON *principal, *s, *condition, *equals;

	s = begin(statements, "EnclaveAlone", "Allow", &principal);
	if (!s || !add_text(principal, "AWS", p->role) || !add_allowed(s, p) ||
	    !add_resource(s))
		return false;
	condition = cJSON_AddObjectToObject(s, "Condition");
	equals = cJSON_AddObjectToObject(condition, "StringEqualsIgnoreCase");
	for (unsigned i = 0; equals && i < POLICY_PCRS; i++) {
		if (!p->is_wanted[i])
			continue;
		condition_name(i, name);
		if (!add_text(equals, name, p->pcr[i]))
			return false;
	}
	return equals && add_context(condition, p);
}

/*
 * What decrypts for others than the enclave: a condition that denies also holds where a request has
 * no document at all. Members of one condition must all hold, so each PCR has a statement.
 */
static bool add_deny(cJSON *statements, const struct policy *p, unsigned pcr)
{
	static const char *const actions[] = { "kms:Decrypt",
					       "kms:DeriveSharedSecret",
					       "kms:ReEncryptFrom", NULL };
	char name[CONDITION_MAX], sid[32];
	cJSON *principal, *s, *condition, *other;

	(void)snprintf(sid, sizeof(sid), "NobodyElsePCR%u", pcr);
	s = begin(statements, sid, "Deny", &principal);
	if (!s || !add_text(principal, "AWS", "*") ||
	    !add_actions(s, actions) || !add_resource(s))
		return false;
	condition = cJSON_AddObjectToObject(s, "Condition");
	other = cJSON_AddObjectToObject(condition, "StringNotEqualsIgnoreCase");
	condition_name(pcr, name);
	return other && add_text(other, name, p->pcr[pcr]);
}

/* A statement that lets the COUNT users in WHO do ACTIONS, if there are any. */
static bool add_users(cJSON *statements, const char *sid,
		      const char *const *who, size_t count,
		      const char *const *actions)
{
	cJSON *principal, *s, *list;

	if (count == 0)
		return true;
	s = begin(statements, sid, "Allow", &principal);
	if (!s)
		return false;
	list = cJSON_AddArrayToObject(principal, "AWS");
	for (size_t i = 0; list && i < count; i++)
		if (!append(list, who[i]))
			return false;
	return list && add_actions(s, actions) && add_resource(s);
}

static bool add_writers(cJSON *statements, const struct policy *p)
{
	static const char *const actions[] = { "kms:Encrypt", NULL };

	return add_users(statements, "Encryption", p->writer, p->writers,
			 actions);
}

/* What AWS's pages give to those who look after a key, but for grants, which would be a way round. */
static bool add_admins(cJSON *statements, const struct policy *p)
{
	static const char *const actions[] = {
		"kms:CreateAlias",
		"kms:Describe*",
		"kms:Enable*",
		"kms:List*",
		"kms:Put*",
		"kms:Update*",
		"kms:Revoke*",
		"kms:Disable*",
		"kms:Get*",
		"kms:Delete*",
		"kms:TagResource",
		"kms:UntagResource",
		"kms:ScheduleKeyDeletion",
		"kms:CancelKeyDeletion",
		NULL,
	};

	return add_users(statements, "Administration", p->admin, p->admins,
			 actions);
}

cJSON *policy_json(const struct policy *p)
{
	cJSON *all = cJSON_CreateObject(), *statements;
	bool is_done;

	is_done = all && add_text(all, "Version", "2012-10-17");
	statements = cJSON_AddArrayToObject(all, "Statement");
	is_done = is_done && statements && add_enclave(statements, p);
	for (unsigned i = 0; is_done && p->denies && i < POLICY_PCRS; i++)
		if (p->is_wanted[i])
			is_done = add_deny(statements, p, i);
	if (is_done && add_writers(statements, p) && add_admins(statements, p))
		return all;
	cJSON_Delete(all);
	return NULL;
}
