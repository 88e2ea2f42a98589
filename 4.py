import json
lines = [json.loads(line) for line in open("runs/shapes/log.jsonl")]
loss = {line["step"]: line["loss"] for line in lines if "loss" in line}
validation = {line["step"]: line["val_loss"] for line in lines if "val_loss" in line}
print("lowest loss", min(loss.values()), "of", len(loss), "validations", len(validation))
