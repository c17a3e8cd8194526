package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const small = `
Parameters:
  Profile: { Type: String, AllowedValues: [test, mainnet], Default: test }
  Count: { Type: Number, Default: 2, MinValue: 1, MaxValue: 5 }
  Token: { Type: String, Default: "", NoEcho: true }
Mappings:
  Cadence:
    test: { Period: 10 }
    mainnet: { Period: 60 }
Conditions:
  IsTest: !Equals [!Ref Profile, test]
  IsMainnet: !Not [!Condition IsTest]
  HasToken: !Not [!Equals [!Ref Token, ""]]
  Both: !And [!Condition IsTest, !Condition HasToken]
  Either: !Or [!Condition IsTest, !Condition HasToken]
  Two: !Equals [!Ref Count, 2]
Resources:
  Queue:
    Type: AWS::SQS::Queue
  Named:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${AWS::StackName}-named
  Rare:
    Type: AWS::SQS::Queue
    Condition: IsMainnet
Outputs:
  Value:
    Value: EXPRESSION
`

func evaluate(t *testing.T, expression string, parameters map[string]string) (any, error) {
	t.Helper()
	doc, err := Evaluate([]byte(strings.Replace(small, "EXPRESSION", expression, 1)), options(parameters))
	if err != nil {
		return nil, err
	}
	return doc.Outputs["Value"], nil
}

func TestFunctions(t *testing.T) {
	mainnet := map[string]string{"Profile": "mainnet", "Token": "t"}
	const arn = "arn:aws:sqs:eu-west-1:000000000000:rc-Queue"
	tests := []struct {
		expression string
		parameters map[string]string
		want       any
	}{
		{"plain", nil, "plain"},
		{"7", nil, int64(7)},
		{"1.5", nil, 1.5},
		{"true", nil, true},
		{`{ a: [x, 1] }`, nil, map[string]any{"a": []any{"x", int64(1)}}},
		{"!Ref Profile", nil, "test"},
		{"!Ref Count", nil, "2"}, // parameters are strings, numbers too
		{"{ Ref: Profile }", mainnet, "mainnet"},
		{"!Ref AWS::Region", nil, "eu-west-1"},
		{"!Ref Queue", nil, queueURL("rc-Queue")},
		{"!Ref Named", nil, queueURL("rc-named")},
		{"!GetAtt Queue.Arn", nil, arn},
		{"\n      Fn::GetAtt: [Queue, Arn]", nil, arn},
		{"!GetAtt Named.QueueName", nil, "rc-named"},
		{"!FindInMap [Cadence, !Ref Profile, Period]", nil, int64(10)},
		{"!FindInMap [Cadence, !Ref Profile, Period]", mainnet, int64(60)},
		{"!Sub 'a-${Profile}-${Queue.Arn}'", nil, "a-test-" + arn},
		{"!Sub '${!Literal} ${AWS::StackName}'", nil, "${Literal} rc"},
		{"!Sub ['${A}/${Profile}', { A: !Ref Count }]", nil, "2/test"},
		{"!Sub ['${A}.', { A: '' }]", nil, "."},
		{"\n      Fn::Sub: ${Profile}", nil, "test"},
		{"!Join ['-', [a, !Ref Profile, 3]]", nil, "a-test-3"},
		{"!Select [1, [a, !Ref Profile]]", nil, "test"},
		{"!Select ['0', [a, b]]", nil, "a"},
		{"!If [IsTest, a, b]", nil, "a"},
		{"!If [IsTest, a, !Ref Rare]", nil, "a"}, // the other branch is not evaluated
		{"!If [IsTest, a, b]", mainnet, "b"},
		{"!If [Both, a, b]", nil, "b"},
		{"!If [Both, a, b]", map[string]string{"Token": "t"}, "a"},
		{"!If [Either, a, b]", nil, "a"},
		{"!If [Either, a, b]", map[string]string{"Profile": "mainnet"}, "b"},
		{"!If [Two, a, b]", nil, "a"},
		{"!If [Two, a, b]", map[string]string{"Count": "3"}, "b"},
		{"{ a: !If [IsTest, !Ref 'AWS::NoValue', b], c: [!Ref 'AWS::NoValue', d] }", nil, map[string]any{"c": []any{"d"}}},
		{"!Ref Rare", mainnet, queueURL("rc-Rare")},
	}
	for _, tt := range tests {
		t.Run(tt.expression, func(t *testing.T) {
			got, err := evaluate(t, tt.expression, tt.parameters)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFunctionProblems(t *testing.T) {
	for expression, want := range map[string]string{
		"!Ref Missing":                        `Outputs.Value.Value: "Missing" is neither a parameter nor a resource`,
		"!Ref Rare":                           "Outputs.Value.Value: Rare does not exist under these parameters",
		"!Ref AWS::NotificationARNs":          "Outputs.Value.Value: pseudo parameter AWS::NotificationARNs has no value",
		"!GetAtt Queue":                       "want Resource.Attribute",
		"!GetAtt Queue.Colour":                "attribute Colour of AWS::SQS::Queue is not known",
		"!Sub '${Missing}'":                   `"Missing" is neither`,
		"!Sub '${Open'":                       "${ is not closed",
		"!Sub [x]":                            "Fn::Sub: want a string",
		"!FindInMap [Cadence, prod, Period]":  `Mappings.Cadence has no "prod"`,
		"!FindInMap [Cadence, test, Colour]":  `Mappings.Cadence.test has no "Colour"`,
		"!FindInMap [Cadence, test]":          "Fn::FindInMap: want a list of 3",
		"!If [Missing, a, b]":                 `condition "Missing" is not declared`,
		"!If [IsTest, a]":                     "Fn::If: want a list of 3",
		"!Join [',', x]":                      "want a list to join",
		"!Select [2, [a, b]]":                 "no such item",
		"!Select [-1, [a, b]]":                "no such item",
		"!Base64 x":                           "function Fn::Base64 is not understood",
		"{ a: !Ref Missing, b: !Ref Absent }": `Outputs.Value.Value.b: "Absent" is neither`,
		"[x, !Ref Missing]":                   `Outputs.Value.Value[1]: "Missing"`,
		"18446744073709551615":                "is out of range",
		"{ c: [!Ref AWS::NoValue, d] }":       "a tag in the place of a key",
		"{ a: 1, a: 2 }":                      "a", // refused by the parser or by us
		"*anchor":                             "Alias is not understood",
	} {
		t.Run(expression, func(t *testing.T) {
			got, err := evaluate(t, expression, nil)
			if err == nil {
				t.Fatalf("no error, got %v", got)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q lacks %q", err, want)
			}
		})
	}
}

func TestParameterProblems(t *testing.T) {
	_, err := evaluate(t, "x", map[string]string{"Profile": "prod", "Count": "9", "Colour": "red"})
	want := strings.Join([]string{
		"Parameters.Colour: not declared by the template",
		"Parameters.Count: above MaxValue 5",
		"Parameters.Profile: not one of test, mainnet",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	for value, want := range map[string]string{"0": "below MinValue 1", "many": "not a number"} {
		if _, err := evaluate(t, "x", map[string]string{"Count": value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	src := strings.Replace(small, `Default: "", NoEcho: true`, `MinLength: 99, NoEcho: true`, 1)
	_, err := Evaluate([]byte(src), options(map[string]string{"Token": "tell-nobody"}))
	if err == nil || !strings.Contains(err.Error(), "Parameters.Token: shorter than MinLength 99") {
		t.Fatalf("error %v", err)
	}
	if strings.Contains(err.Error(), "tell-nobody") {
		t.Errorf("error tells the value: %v", err)
	}
	if _, err := Evaluate([]byte(src), options(nil)); err == nil || !strings.Contains(err.Error(), "no value given and no default") {
		t.Errorf("error %v", err)
	}
}

func TestCycles(t *testing.T) {
	for name, src := range map[string]string{
		"condition": "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\nResources: {}\n",
		"name": "Resources:\n  A: { Type: 'AWS::SQS::Queue', Properties: { QueueName: !GetAtt B.QueueName } }\n" +
			"  B: { Type: 'AWS::SQS::Queue', Properties: { QueueName: !GetAtt A.QueueName } }\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Evaluate([]byte(src), options(nil)); err == nil || !strings.Contains(err.Error(), "depends on itself") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// FuzzEvaluate: whatever is read, the answer is a document or an error, never a crash.
func FuzzEvaluate(f *testing.F) {
	f.Add(small)
	f.Add("Resources: {}")
	f.Add("Resources: { A: { Type: 'AWS::SQS::Queue', Properties: { RedrivePolicy: !GetAtt A.Arn } } }")
	f.Add("Resources: { F: { Type: 'AWS::Serverless::Function', Properties: { Events: { E: { Type: SQS } } } } }")
	f.Add("Resources: { A: { Type: !Ref A } }\nGlobals: [x]")
	f.Add("a: &x [*x]")
	f.Add(`{"Resources":{"T":{"Type":"AWS::DynamoDB::Table","Properties":{"KeySchema":[1]}}}}`)
	f.Fuzz(func(t *testing.T, src string) {
		doc, err := Evaluate([]byte(src), options(nil))
		if err != nil {
			if doc != nil {
				t.Error("a document beside an error")
			}
			return
		}
		if stack, err := doc.Stack(); (stack == nil) == (err == nil) {
			t.Errorf("stack %v, error %v", stack, err)
		}
	})
}
