-- When Argo CD takes a Crew for healthy: in argocd-cm, as
-- resource.customizations.health.crew.venturebots.dev_Crew. What the operator has not
-- looked at yet is no news of the crew as it stands.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen it yet"}
end
local told = {}
for _, condition in ipairs(status.conditions or {}) do
  told[condition.type] = condition
end
local function is_so(name)
  return told[name] ~= nil and told[name].status == "True"
end
local function message(name)
  return told[name] ~= nil and told[name].message or ""
end
if obj.spec.paused then
  return {status = "Suspended", message = message("Ready")}
end
if is_so("Stalled") then
  return {status = "Degraded", message = message("Stalled")}
end
if is_so("Ready") then
  return {status = "Healthy", message = message("Ready")}
end
if told.Accepted ~= nil and told.Accepted.status == "False" then
  return {status = "Degraded", message = message("Accepted")}
end
return {status = "Progressing", message = message("Ready")}
