package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bridge-me-not/resolver-cron/infra/local/iam"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
)

// signer is the only function whose role may sign.
const signer = "action-executor"

// signing checks the key, its policy, and that nothing but the executor's role reaches kms:Sign.
func signing(doc *template.Document, s *template.Stack) []string {
	var findings []string
	executor, ok := s.Function(signer)
	if !ok {
		return []string{"no function " + signer}
	}
	executorRole := roleID(doc, executor.RoleARN)

	may := false
	for id, list := range grants(doc, &findings) {
		for _, st := range list {
			if st.Deny || !st.Acts("kms:Sign") {
				continue
			}
			if id != executorRole {
				findings = append(findings, fmt.Sprintf("%s: may kms:Sign", id))
				continue
			}
			may = true
			findings = append(findings, digestsOnly(id, st)...)
		}
		for _, st := range list {
			for _, action := range []string{"kms:GetPublicKey", "kms:CreateGrant", "kms:PutKeyPolicy", "iam:PassRole", "sts:AssumeRole"} {
				if !st.Deny && st.Acts(action) {
					findings = append(findings, fmt.Sprintf("%s: may %s", id, action))
				}
			}
		}
	}
	if !may {
		findings = append(findings, executorRole+": may not kms:Sign")
	}

	if len(s.Keys) == 0 {
		findings = append(findings, "no signer key")
	}
	for _, k := range s.Keys {
		if k.Spec != "ECC_SECG_P256K1" || k.Usage != "SIGN_VERIFY" {
			findings = append(findings, fmt.Sprintf("%s: %s for %s, want ECC_SECG_P256K1 for SIGN_VERIFY", k.LogicalID, k.Spec, k.Usage))
		}
		if !slices.Equal(k.Aliases, []string{"alias/rc-signer"}) {
			findings = append(findings, fmt.Sprintf("%s: aliases %v, want the stack's signer alias", k.LogicalID, k.Aliases))
		}
		if !k.Retained {
			findings = append(findings, k.LogicalID+": goes with the stack")
		}
		findings = append(findings, keyPolicy(k.LogicalID, doc.Resources[k.LogicalID].Properties["KeyPolicy"], executor.RoleARN)...)
	}
	return findings
}

// keyPolicy wants the account's root to administer without a way to sign, and the executor's role to sign digests.
func keyPolicy(id string, document any, executorARN string) []string {
	var findings []string
	const root = "AWS:arn:aws:iam::000000000000:root"
	administered, signs := false, false
	policy, _ := iam.Parse(document) // what cannot be judged, roles has told
	for _, st := range policy {
		if st.Deny {
			continue
		}
		for _, who := range st.Principals {
			switch who {
			case root:
				administered = administered || st.Acts("kms:PutKeyPolicy")
				for _, action := range []string{"kms:Sign", "kms:CreateGrant"} {
					if st.Acts(action) {
						findings = append(findings, fmt.Sprintf("%s: its policy lets any IAM policy of the account grant %s", id, action))
					}
				}
			case "AWS:" + executorARN:
				for _, action := range st.Actions {
					if action != "kms:Sign" {
						findings = append(findings, fmt.Sprintf("%s: its policy lets the executor %s", id, action))
					}
				}
				if st.Acts("kms:Sign") {
					signs = true
					findings = append(findings, digestsOnly(id, st)...)
				}
			default:
				findings = append(findings, fmt.Sprintf("%s: its policy names %s", id, strings.TrimPrefix(who, "AWS:")))
			}
		}
	}
	if !administered {
		findings = append(findings, id+": nobody could change its policy any more")
	}
	if !signs {
		findings = append(findings, id+": its policy lets nobody sign")
	}
	return findings
}

// digestsOnly wants kms:Sign bound to 32-byte digests under the one algorithm that chains verify.
func digestsOnly(id string, st iam.Statement) []string {
	for key, want := range map[string]string{"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"} {
		if !slices.ContainsFunc(st.Conditions, func(c iam.Condition) bool {
			return c.Operator == "StringEquals" && !c.IfExists && c.Set == "" && c.Key == key && slices.Equal(c.Values, []string{want})
		}) {
			return []string{fmt.Sprintf("%s: kms:Sign is not bound to DIGEST and ECDSA_SHA_256", id)}
		}
	}
	return nil
}
