"""The actions of an Amazon Connect flow, from the language of 2019 and from the older export with modules."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from callflows.importing.flow_draft import make_unique_name
from callflows.importing.json_source import JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.importing.json_source import SourcePlace


@dataclasses.dataclass
class ConnectCondition:
    """A way that an action takes if its value compares so."""

    operator: str
    operands: list[str]
    target: str


@dataclasses.dataclass
class ConnectAction:
    """An action with its ways, in the words of the language of 2019."""

    key: str
    name: str
    kind: str
    place: SourcePlace
    parameters: JsonObject
    next: str = ""
    conditions: list[ConnectCondition] = dataclasses.field(default_factory=list)
    errors: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def error(self) -> str:
        """The way of any other error."""
        return self.errors.get("NoMatchingError", "")

    @property
    def is_storing(self) -> bool:
        """True if the digits are kept, and no condition asks for them."""
        return self.kind == "GetParticipantInput" and self.parameters.get_text("StoreInput").lower() == "true"

    @property
    def targets(self) -> list[str]:
        return [self.next, *(condition.target for condition in self.conditions), *self.errors.values()]


def read_connect_actions(content: JsonObject) -> tuple[str, dict[str, ConnectAction]]:
    """Return the key of the first action, and all actions by key."""
    if isinstance(content.get("modules"), list):
        actions = [_read_module(module) for module in content.get_objects("modules")]
        first = content.get_text("start")
    else:
        names = content.get_object("Metadata").get_object("ActionMetadata")
        actions = [_read_action(action, names) for action in content.get_objects("Actions")]
        first = content.get_text("StartAction")
    by_key = {action.key: action for action in reversed(actions) if action.key}
    ordered = {action.key: by_key[action.key] for action in actions if action.key}
    taken: set[str] = set()
    for action in ordered.values():
        action.name = make_unique_name(action.name, taken) if action.name in taken else action.name
        taken.add(action.name)
    return first, ordered


def _read_action(action: JsonObject, names: JsonObject) -> ConnectAction:
    key, kind = action.get_text("Identifier"), action.get_text("Type")
    metadata = names.get_object(key)
    friendly = next((metadata.get_text(word) for word in ("friendlyName", "name") if metadata.get_text(word)), "")
    transitions = action.get_object("Transitions")
    read = ConnectAction(key, _choose_name(friendly or key, kind), kind, action.place, action.get_object("Parameters"))
    read.next = transitions.get_text("NextAction")
    for way in transitions.get_objects("Conditions"):
        condition = way.get_object("Condition")
        read.conditions.append(
            ConnectCondition(condition.get_text("Operator"), condition.get_texts("Operands"), way.get_text("NextAction"))
        )
    for way in transitions.get_objects("Errors"):
        read.errors.setdefault(way.get_text("ErrorType"), way.get_text("NextAction"))
    return read


def _choose_name(name: str, kind: str) -> str:
    """Return a name for people: the action's own, or its kind if it has only an id."""
    return kind or "action" if not name or _ID_PATTERN.fullmatch(name) else name


_ID_PATTERN: Final = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,40}")


# The older export


def _read_module(module: JsonObject) -> ConnectAction:
    key, old_kind = module.get_text("id"), module.get_text("type")
    target = module.get_text("target")
    kind = _KINDS_OF_MODULES.get(f"{old_kind} {target}".strip(), _KINDS_OF_MODULES.get(old_kind, old_kind))
    friendly = module.get_object("metadata").get_text("friendlyName")
    parameters = _read_parameters(module, old_kind)
    read = ConnectAction(key, _choose_name(friendly or key, kind), kind, module.place, parameters)
    for branch in module.get_objects("branches"):
        _add_branch(read, branch)
    return read


def _add_branch(action: ConnectAction, branch: JsonObject) -> None:
    word, target = branch.get_text("condition"), branch.get_text("transition")
    if not target:
        return
    if word == "Evaluate":
        operator = _OPERATORS_OF_MODULES.get(branch.get_text("conditionType"), branch.get_text("conditionType"))
        action.conditions.append(ConnectCondition(operator, branch.get_texts("conditionValue"), target))
    elif word in _CONDITION_WORDS:
        action.conditions.append(ConnectCondition("Equals", [_CONDITION_WORDS[word]], target))
    elif word in _ERROR_WORDS:
        action.errors.setdefault(_ERROR_WORDS[word], target)
    else:
        action.next = action.next or target


def _read_parameters(module: JsonObject, old_kind: str) -> JsonObject:
    """Return the parameters of a module under the names of 2019."""
    parameters = JsonObject()
    parameters.place = module.place
    attributes = JsonObject()
    for one in module.get_objects("parameters"):
        name, value = one.get_text("name"), _read_value(one)
        if name == "Attribute" and old_kind == "SetAttributes":
            attributes[one.get_text("key")] = value
        elif name == "Attribute":
            space = _NAMESPACES.get(one.get_text("namespace"), one.get_text("namespace"))
            parameters["ComparisonValue"] = f"$.{space}.{one.get_text('value')}"
        else:
            parameters[_PARAMETERS_OF_MODULES.get(name, name)] = value
            if one.get_text("resourceName"):
                parameters[f"{_PARAMETERS_OF_MODULES.get(name, name).removesuffix('Id')}Name"] = one.get_text(
                    "resourceName"
                )
    if attributes:
        parameters["Attributes"] = attributes
    if old_kind in {"StoreUserInput", "StoreCustomerInput"}:
        parameters["StoreInput"] = "true"
        validation, custom = JsonObject(), JsonObject()
        custom["MaximumLength"] = parameters.get_text("MaxDigits") or parameters.get_text("CustomerInputLength")
        validation["CustomValidation"] = custom
        parameters["InputValidation"] = validation
    return parameters


def _read_value(parameter: JsonObject) -> str:
    """Return the value of a parameter; a value of a namespace as a path."""
    space = parameter.get_text("namespace")
    value = parameter.get_text("value")
    return f"$.{_NAMESPACES.get(space, space)}.{value}" if space else value


_NAMESPACES: Final = {"User Defined": "Attributes", "External": "External", "System": "System"}
_CONDITION_WORDS: Final = {
    "True": "True",
    "False": "False",
    "Looping": "ContinueLooping",
    "Complete": "DoneLooping",
    "Completed": "WaitCompleted",
}
_ERROR_WORDS: Final = {
    "Error": "NoMatchingError",
    "NoMatch": "NoMatchingCondition",
    "Timeout": "InputTimeLimitExceeded",
    "AtCapacity": "QueueAtCapacity",
    "CallFailure": "CallFailed",
}
_OPERATORS_OF_MODULES: Final = {
    "Equals": "Equals",
    "StartsWith": "TextStartsWith",
    "Contains": "TextContains",
    "LessThan": "NumberLessThan",
    "LessThanOrEqualTo": "NumberLessOrEqualTo",
    "GreaterThan": "NumberGreaterThan",
    "GreaterThanOrEqualTo": "NumberGreaterOrEqualTo",
}
_PARAMETERS_OF_MODULES: Final = {
    "AudioPrompt": "PromptId",
    "Queue": "QueueId",
    "PhoneNumber": "ThirdPartyPhoneNumber",
    "FunctionArn": "LambdaFunctionARN",
    "Hours": "HoursOfOperationId",
    "TimeLimit": "TimeLimitSeconds",
    "GlobalVoice": "TextToSpeechVoice",
    "Voice": "TextToSpeechVoice",
    "Percent": "Percentage",
}
_KINDS_OF_MODULES: Final[Mapping[str, str]] = {
    "PlayPrompt": "MessageParticipant",
    "LoopPrompts": "MessageParticipantIteratively",
    "GetUserInput": "GetParticipantInput",
    "StoreUserInput": "GetParticipantInput",
    "StoreCustomerInput": "GetParticipantInput",
    "Disconnect": "DisconnectParticipant",
    "EndFlow": "EndFlowExecution",
    "SetQueue": "UpdateContactTargetQueue",
    "Transfer Queue": "TransferContactToQueue",
    "Transfer PhoneNumber": "TransferParticipantToThirdParty",
    "Transfer Flow": "TransferToFlow",
    "Transfer": "TransferContactToQueue",
    "SetAttributes": "UpdateContactAttributes",
    "CheckAttribute": "Compare",
    "CheckContactAttributes": "Compare",
    "InvokeExternalResource": "InvokeLambdaFunction",
    "SetVoice": "UpdateContactTextToSpeechVoice",
    "SetLoggingBehavior": "UpdateFlowLoggingBehavior",
    "SetRecordingBehavior": "UpdateContactRecordingBehavior",
    "SetContactFlow": "UpdateContactEventHooks",
    "SetEventHook": "UpdateContactEventHooks",
    "CheckStaffing": "CheckMetricData",
    "CheckQueueStatus": "CheckMetricData",
    "RouteByPercentage": "DistributeByPercentage",
    "SetCustomerCallbackNumber": "UpdateContactCallbackNumber",
}
SETTING_KINDS: Final[Mapping[str, str]] = {
    "UpdateFlowLoggingBehavior": "",
    "UpdateContactTextToSpeechVoice": "",
    "UpdateContactRecordingBehavior": "the whole call is not recorded: a dial can be, with record: true",
    "UpdateContactRecordingAndAnalyticsBehavior": "the whole call is not recorded: a dial can be, with record: true",
    "UpdateContactEventHooks": "other flows during waiting and after the call are not run",
    "UpdateContactRoutingBehavior": "Opentact has no queue whose order could change",
    "UpdateContactRoutingCriteria": "Opentact has no queue whose order could change",
    "UpdateContactMediaStreamingBehavior": "Opentact does not stream the sound of a call",
    "UpdateContactCallbackNumber": "nobody is rung back by a flow",
    "UpdateContactData": "the data of a contact stays at Amazon Connect",
    "UpdatePreviousContactParticipantState": "Opentact has no hold of a former person",
    "TagContact": "Opentact's contacts have no tags",
    "UnTagContact": "Opentact's contacts have no tags",
}
"""Actions that only set something, and what is lost with them; nothing is lost with an empty text."""
UNMAPPED_KINDS: Final[Mapping[str, str]] = {
    "ConnectParticipantWithLexBot": "Opentact has no speech bot: ask for keys with menu",
    "TransferToFlow": "the other flow is not in the file: import it, and put its nodes here",
    "TransferToAgent": "Opentact has no agents: ring a person with dial",
    "CheckMetricData": "Opentact has no queue that could be measured",
    "GetMetricData": "Opentact has no queue that could be measured",
    "CreateCallbackContact": "nobody is rung back by a flow: take a message with voicemail",
    "CreateTask": "a task is created by your server: notify tells it",
    "InvokeFlowModule": "the module is not in the file: import it, and put its nodes here",
    "ShowView": "a call has no screen",
    "CreateCase": "a case is created by your server: notify tells it",
    "GetCustomerProfile": "a profile is asked from your server: lookup does it",
    "StartMediaStreaming": "Opentact does not stream the sound of a call",
    "AuthenticateParticipant": "Opentact does not know who speaks: ask for a PIN with collect",
}
