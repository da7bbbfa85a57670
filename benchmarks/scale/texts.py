"""What stands beside the figures, in the languages of the documents. Cells of a table: ``|``."""

from collections.abc import Mapping
from typing import Final

Texts = Mapping[str, str]

TEXTS: Final[Mapping[str, Texts]] = {
    "en": {
        "unmeasured": "Not measured on an idle machine yet: `make scale`.",
        "origin": "Measured on {when} by `make scale`, {load}:",
        "cores": "cores: {n}",
        "days": "{days} days",
        "sizing": "|radiographs/s|radiographs/h|one client: half / 95 % of answers within"
        "|eight clients: half / 95 % within|first answer after its start|peak memory under load"
        "|memory after 5,000 mixed requests",
        "neighbours": "half of the answers within|95 % within|verdicts|answers to the others, per s"
        "|processor (of one core)",
        "situations": "alone, {pace} radiographs/s"
        "|beside {flooding} clients that never wait, limit {limit}/s per key"
        "|beside them, without a limit",
        "cluster": "films/s, start to end|against one node|first film after|films/s from then on",
        "runs": "`predict`, one core|`batch`, one node of one core|`batch`, two nodes of one core",
        "cluster_said": "Once it runs, two nodes do {ratio} times what one does, and one does "
        "{share} of what `predict` does on the same core, its start included.\n",
        "old_pc": "an old PC: 2 cores, half as fast",
        "server": "a clinic's server: 8 cores",
        "cluster_16": "a cluster: 4 machines of 4 cores",
        "plan": "|films/s|from start to end|core-hours|rented|electricity|memory"
        "|reading the archive|work lost with a node, at most|the same command again, nothing new",
        "plan_said": "The archive takes {archive}, its result {result} in {shards} files of about "
        "{films} rows. Assumed, not measured: that more cores do what two did, how fast the old PC "
        "is, {core_hour} USD for a rented core-hour, {watts} W for a core at work, {kwh} USD for a "
        "kWh.\n",
    },
    "es": {
        "unmeasured": "Aún sin medir en una máquina desocupada: `make scale`.",
        "origin": "Medido el {when} con `make scale`, {load}:",
        "cores": "núcleos: {n}",
        "days": "{days} días",
        "sizing": "|radiografías/s|radiografías/h"
        "|un cliente: la mitad / el 95 % de las respuestas en"
        "|ocho clientes: la mitad / el 95 % en|primera respuesta tras el arranque"
        "|memoria máxima bajo carga|memoria tras 5000 solicitudes variadas",
        "neighbours": "la mitad de las respuestas en|el 95 % en|resultados"
        "|respuestas a los demás, por s|procesador (de un núcleo)",
        "situations": "solo, {pace} radiografías/s"
        "|junto a {flooding} clientes que nunca esperan, límite {limit}/s por clave"
        "|junto a ellos, sin límite",
        "cluster": "placas/s, de principio a fin|frente a un nodo|primera placa tras"
        "|placas/s desde entonces",
        "runs": "`predict`, un núcleo|`batch`, un nodo de un núcleo"
        "|`batch`, dos nodos de un núcleo",
        "cluster_said": "Una vez en marcha, dos nodos hacen {ratio} veces lo que uno, y uno hace "
        "el {share} de lo que hace `predict` en el mismo núcleo, incluido su arranque.\n",
        "old_pc": "un PC antiguo: 2 núcleos, la mitad de rápidos",
        "server": "el servidor de una clínica: 8 núcleos",
        "cluster_16": "un clúster: 4 máquinas de 4 núcleos",
        "plan": "|placas/s|de principio a fin|horas de núcleo|alquilado|electricidad|memoria"
        "|lectura del archivo|trabajo que se pierde con un nodo, como máximo"
        "|la misma orden otra vez, sin nada nuevo",
        "plan_said": "El archivo ocupa {archive}, su resultado {result} en {shards} archivos de "
        "unas {films} filas. Supuesto, no medido: que más núcleos rindan como dos, la velocidad "
        "del PC antiguo, {core_hour} USD por hora de núcleo alquilado, {watts} W por núcleo en "
        "marcha, {kwh} USD por kWh.\n",
    },
}
