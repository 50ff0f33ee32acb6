"""Quotas, what is used of them, and what is set aside for calls under way."""

import chat.models.base
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('chat', '0020_price_from_list'),
    ]

    operations = [
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.UUIDField(default=chat.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True, verbose_name='name')),
                ('binds', models.CharField(choices=[('everybody', 'Everybody, each for themselves'), ('user', 'One person'), ('members', 'Each member of a group'), ('group', 'A group together')], default='everybody', max_length=16, verbose_name='whom it binds')),
                ('enabled', models.BooleanField(default=True, verbose_name='in force')),
                ('messages_per_minute', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(1000)], verbose_name='messages a minute')),
                ('runs_at_once', models.PositiveIntegerField(blank=True, null=True, verbose_name='answers at once')),
                ('tokens_per_day', models.PositiveBigIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(1000000000000000)], verbose_name='tokens a day')),
                ('tokens_per_month', models.PositiveBigIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(1000000000000000)], verbose_name='tokens a month')),
                ('money_per_day', models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))], verbose_name='money a day')),
                ('money_per_month', models.DecimalField(blank=True, decimal_places=4, max_digits=14, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0')), django.core.validators.MaxValueValidator(Decimal('100000000'))], verbose_name='money a month')),
                ('currency', models.CharField(blank=True, max_length=3, verbose_name='currency')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='made')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='changed')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='auth.group', verbose_name='group')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='Reservation',
            fields=[
                ('id', models.UUIDField(default=chat.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('run', models.UUIDField()),
                ('step', models.PositiveSmallIntegerField()),
                ('epoch', models.PositiveIntegerField()),
                ('input_tokens', models.PositiveIntegerField()),
                ('output_tokens', models.PositiveIntegerField()),
                ('cost', models.DecimalField(decimal_places=9, max_digits=18, null=True)),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('holds', models.JSONField(default=list)),
                ('state', models.CharField(choices=[('held', 'set aside'), ('settled', 'settled'), ('released', 'given back')], default='held', max_length=16)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': ('view',),
                'indexes': [models.Index(condition=models.Q(('state', 'held')), fields=['run'], name='reservation_held')],
                'constraints': [models.UniqueConstraint(fields=('run', 'step', 'epoch'), name='one_reservation_a_step')],
            },
        ),
        migrations.CreateModel(
            name='QuotaUse',
            fields=[
                ('id', models.UUIDField(default=chat.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('subject', models.UUIDField()),
                ('kind', models.CharField(choices=[('messages_per_minute', 'messages a minute'), ('runs_at_once', 'answers at once'), ('tokens_per_day', 'tokens a day'), ('tokens_per_month', 'tokens a month'), ('money_per_day', 'money a day'), ('money_per_month', 'money a month')], max_length=24)),
                ('starts', models.DateField()),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('used', models.BigIntegerField(default=0)),
                ('assumed', models.BigIntegerField(default=0)),
                ('reserved', models.BigIntegerField(default=0)),
                ('recent', models.JSONField(default=list)),
                ('quota', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='chat.quota')),
            ],
            options={
                'verbose_name_plural': 'quota uses',
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['starts'], name='use_by_period')],
                'constraints': [models.UniqueConstraint(fields=('quota', 'subject', 'kind', 'starts', 'currency'), name='one_use_a_quota_and_period')],
            },
        ),
    ]
