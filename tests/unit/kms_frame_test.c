/* What kmstool_instance and kmstool_enclave say to each other. */

#include "check.h"
#include "nsm/kms/credentials/frame.h"

static struct frame f;

static const char *read_frame(const char *text, bool has_client)
{
	frame_free(&f);
	return frame_read(text, strlen(text), has_client, &f);
}

TEST(set_client_is_read)
{
	CHECK(!read_frame(
		"{ \"Operation\": \"SetClient\", \"AwsAccessKeyId\": \"ASIAX\", "
		"\"AwsSecretAccessKey\": \"a\\/b\", \"AwsSessionToken\": "
		"\"IQ\\/\\/\", \"AwsRegion\": \"eu-west-1\" }",
		false));
	CHECK_INT(f.kind, FRAME_SET_CLIENT);
	CHECK_STR(f.credentials.access_key_id, "ASIAX");
	CHECK_STR(f.credentials.secret_access_key, "a/b");
	CHECK_STR(f.credentials.session_token, "IQ//");
	CHECK_STR(f.region, "eu-west-1");
	CHECK(!read_frame(
		"{\"Operation\":\"SetClient\",\"AwsAccessKeyId\":\"A\","
		"\"AwsSecretAccessKey\":\"s\"}",
		true));
	CHECK_STR(f.credentials.session_token, "");
	CHECK_STR(f.region, "");
	frame_free(&f);
}

TEST(decrypt_is_read)
{
	CHECK(!read_frame(
		"{ \"Operation\": \"Decrypt\", \"Ciphertext\": \"AQID\\/w==\", "
		"\"EncryptionContext\": { \"a\": \"b\", \"c\\u00e4\": \"\" } }",
		true));
	CHECK_INT(f.kind, FRAME_DECRYPT);
	CHECK_INT(f.ciphertext_len, 4);
	CHECK_MEM(f.ciphertext, "\x01\x02\x03\xff", 4);
	CHECK_INT(f.context_count, 2);
	CHECK_STR(f.context[0].name, "a");
	CHECK_STR(f.context[0].value, "b");
	CHECK_STR(f.context[1].name, "c\xc3\xa4");
	CHECK_STR(f.context[1].value, "");
	frame_free(&f);
}

/* The words are those of AWS's server. */
TEST(each_fault_has_its_words)
{
	static const struct {
		const char *text, *words;
		bool has_client;
	} cases[] = {
		{ "", "Error reading JSON object", false },
		{ "{", "Error reading JSON object", false },
		{ "null", "Error reading JSON object", false },
		{ "[]", "JSON is wrong type", false },
		{ "7", "JSON is wrong type", false },
		{ "{}", "JSON structure incomplete", false },
		{ "{\"Operation\":null}", "JSON structure incomplete", false },
		{ "{\"Operation\":1}", "Operation is wrong type", false },
		{ "{\"Operation\":\"SetClient\"}", "Could not read credentials",
		  false },
		{ "{\"Operation\":\"SetClient\",\"AwsAccessKeyId\":\"A\",\"AwsSecretAccessKey\":1}",
		  "Could not read credentials", false },
		{ "{\"Operation\":\"SetClient\",\"AwsAccessKeyId\":\"A\",\"AwsSecretAccessKey\":\"s\",\"AwsSessionToken\":1}",
		  "Could not read credentials", false },
		{ "{\"Operation\":\"SetClient\",\"AwsAccessKeyId\":\"A\",\"AwsSecretAccessKey\":\"s\",\"AwsRegion\":1}",
		  "Could not set region correctly, check configuration.",
		  false },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAAA\"}",
		  "Client not initialized", false },
		{ "{\"Operation\":\"Decrypt\"}", "Client not initialized",
		  false },
		{ "{\"Operation\":\"Decrypt\"}",
		  "Message does not contain a Ciphertext", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":1}",
		  "Ciphertext not a base64 string", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAA\"}",
		  "Ciphertext not a base64 string", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AA A\"}",
		  "Ciphertext not a base64 string", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAAA\",\"EncryptionContext\":[]}",
		  "EncryptionContext not an object of strings", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAAA\",\"EncryptionContext\":{\"a\":1}}",
		  "EncryptionContext not an object of strings", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAAA\",\"EncryptionContext\":{\"a\":null}}",
		  "EncryptionContext not an object of strings", true },
		{ "{\"Operation\":\"Decrypt\",\"Ciphertext\":\"AAAA\",\"EncryptionContext\":{\"\":\"b\"}}",
		  "EncryptionContext not an object of strings", true },
	};
	static const struct frame nothing;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why =
			read_frame(cases[i].text, cases[i].has_client);

		CHECK_STR(why, cases[i].words);
		CHECK_MEM(&f, &nothing, sizeof(f));
	}
	CHECK(!read_frame("{\"Operation\":\"Encrypt\"}", false));
	CHECK_INT(f.kind, FRAME_OTHER);
}

/* AWS's server cannot take it: its frames have 8191 bytes. */
TEST(the_longest_ciphertext_of_kms_fits)
{
	static char text[FRAME_MAX + 2];
	size_t len = (size_t)snprintf(
		text, sizeof(text),
		"{\"Operation\":\"Decrypt\",\"Ciphertext\":\"");

	memset(text + len, 'A', 8192);
	(void)strcpy(text + len + 8192,
		     "\",\"EncryptionContext\":{\"a\":\"b\"}}");
	CHECK(!read_frame(text, true));
	CHECK_INT(f.ciphertext_len, 6144);
	memset(text + len, 'A', 8196);
	(void)strcpy(text + len + 8196, "\"}");
	CHECK_STR(read_frame(text, true), "Ciphertext too long");
	memset(text, ' ', FRAME_MAX + 1);
	CHECK_STR(read_frame(text, true), "Message size too large.");
	frame_free(&f);
}

TEST(answers_are_those_of_json_c_to_the_byte)
{
	static char longest[5464 + 1];
	char buf[FRAME_STATUS_CAP];

	CHECK_INT(frame_status(true, NULL, buf), 19);
	CHECK_STR(buf, "{ \"Status\": \"Ok\" }");
	CHECK_INT(buf[18], 0);
	(void)frame_status(true, "aGk/+w==", buf);
	CHECK_STR(buf, "{ \"Status\": \"Ok\", \"Message\": \"aGk\\/+w==\" }");
	(void)frame_status(false, NULL, buf);
	CHECK_STR(buf, "{ \"Status\": \"Error\" }");
	(void)frame_status(false, "Operation not recognized", buf);
	CHECK_STR(
		buf,
		"{ \"Status\": \"Error\", \"Message\": \"Operation not recognized\" }");
	/* 4096 bytes, each slash twice as long. */
	memset(longest, '/', 5464);
	CHECK_INT(frame_status(true, longest, buf),
		  strlen("{ \"Status\": \"Ok\", \"Message\": \"\" }") +
			  2 * 5464 + 1);
}

CHECK_MAIN("kms_frame")
